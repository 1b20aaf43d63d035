/**
 * What a mail client may rely on about UIDs, kept over many looks at one folder: it notes everything that it was told and
 * says what contradicts it later.
 *
 * RFC 3501 2.3.1.1: a UID names one message for ever, and whatever arrives after UIDNEXT was told has at least that UID.
 */
import type { ImapFlow } from "imapflow";
import { select } from "../lab/imap.js";

/** What one SELECT and the FETCH right after it said. */
export interface Look {
  readonly uidValidity: number;
  readonly uidNext: number;
  /** Message-ID by UID. */
  readonly messages: ReadonlyMap<number, string>;
}

interface Known {
  uidValidity: number;
  uidNext: number;
  /** Everything ever seen, also what is gone. */
  readonly idByUid: Map<number, string>;
  present: ReadonlySet<number>;
}

export class Witness {
  readonly #known = new Map<string, Known>();
  readonly #contradictions: string[] = [];
  #looks = 0;

  get looks(): number {
    return this.#looks;
  }

  /** In the order in which they were found; empty when all that was told held. */
  get contradictions(): readonly string[] {
    return this.#contradictions;
  }

  note(folder: string, look: Look): void {
    this.#looks += 1;
    const known = this.#known.get(folder);
    const complain = (words: string): void => {
      this.#contradictions.push(`look ${this.#looks}, ${folder}: ${words}`);
    };
    for (const uid of look.messages.keys()) {
      if (uid >= look.uidNext) complain(`UID ${uid} with UIDNEXT ${look.uidNext}`);
    }
    if (known !== undefined) compare(known, look, complain);
    this.#known.set(folder, {
      uidValidity: look.uidValidity,
      uidNext: Math.max(look.uidNext, known?.uidNext ?? 0),
      idByUid: new Map([...(known?.idByUid ?? []), ...look.messages]),
      present: new Set(look.messages.keys()),
    });
  }
}

function compare(known: Known, look: Look, complain: (words: string) => void): void {
  if (look.uidValidity !== known.uidValidity) complain(`UIDVALIDITY ${known.uidValidity} became ${look.uidValidity}`);
  if (look.uidNext < known.uidNext) complain(`UIDNEXT ${known.uidNext} became ${look.uidNext}`);
  for (const [uid, id] of look.messages) {
    const before = known.idByUid.get(uid);
    if (before === undefined && uid < known.uidNext) complain(`UID ${uid} appeared after UIDNEXT ${known.uidNext}`);
    else if (before !== undefined && before !== id) complain(`UID ${uid} named ${before}, now ${id}`);
    else if (before !== undefined && !known.present.has(uid)) complain(`UID ${uid} was gone and is back`);
  }
}

/** SELECTs the folder and fetches the Message-IDs in it. The view of the FETCH is that of the SELECT. */
export async function lookAt(client: ImapFlow, folder: string): Promise<Look> {
  const { uidNext, uidValidity, exists } = await select(client, folder);
  const messages = new Map<number, string>();
  if (exists > 0) {
    for await (const message of client.fetch(`1:${exists}`, { uid: true, headers: ["message-id"] })) {
      // A flag that changes meanwhile is told in between, by a FETCH response with FLAGS alone (RFC 3501 7.4.2).
      if (message.headers === undefined) continue;
      messages.set(message.uid, message.headers.toString("utf8").trim());
    }
  }
  return { uidNext, uidValidity: Number(uidValidity), messages };
}
