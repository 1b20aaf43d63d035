/** What a replica of the running daemon has, fetched by that over the link that it has: it leaves the files in the source's state directory. */
import * as z from "zod";
import { MailtwinError } from "../../base/errors.js";
import type { BaselineRecord } from "../../log/state-types.js";
import { parseMailboxGuid } from "../../maildir/ids.js";
import { onOneLine } from "../config/problem.js";
import { askDaemon, type ControlPlace } from "../control/control-client.js";
import type { ReplicaTarget } from "../control/daemon-control.js";
import { controlError } from "../control-errors.js";
import type { Fetcher } from "./fetched-copies.js";
import type { FetchedMessage, MailboxName } from "./replica-mail.js";

/** Of one question: its body is bounded (CONTROL_LIMITS). */
const UIDS_MAX = 256;
/** A replica that looks at millions of messages takes minutes, and a large message over a slow line longer. */
const ANSWER_MS_MAX = 6 * 3_600_000;

const answer = z.looseObject({ messages: z.array(z.looseObject({ uid: z.number(), why: z.string().optional() })) });

/** Throws: the codes of asking a daemon; store-not-ready, where the replica is not there. */
export async function openDaemonFetcher(place: ControlPlace, target: ReplicaTarget): Promise<Fetcher> {
  const ask = async (mailbox: MailboxName["guid"], records: readonly BaselineRecord[], look: boolean) => {
    const body = { ...target, mailbox, uids: records.map(({ uid }) => uid), look };
    const question = { method: "POST", route: "deletions/fetch", body, answer, waitMsMax: ANSWER_MS_MAX } as const;
    const { messages } = await askDaemon(place, question);
    const isAsked = messages.every(({ uid }, index) => uid === records[index]?.uid);
    const isEnough = look ? messages.length === records.length : messages.length > 0;
    if (!isAsked || !isEnough)
      throw controlError("control-invalid", `asking the daemon at ${place.path}: it tells of other messages`);
    return messages.map(({ why }, index): FetchedMessage => {
      return { uid: (records[index] as BaselineRecord).uid, why: why === undefined ? undefined : onOneLine(why) };
    });
  };
  await askFirst(() => ask(NO_MAILBOX, [], true));
  return {
    async whyLacking({ guid }, records) {
      const whys: (string | undefined)[] = [];
      for (let at = 0; at < records.length; at += UIDS_MAX)
        for (const { why } of await ask(guid, records.slice(at, at + UIDS_MAX), true)) whys.push(why);
      return whys;
    },
    fetch: ({ guid }, records) => ask(guid, records.slice(0, UIDS_MAX), false),
  };
}

const NO_MAILBOX = parseMailboxGuid("0".repeat(32));

/** Whether there is a daemon, and the replica is there. */
async function askFirst(ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof MailtwinError) || error.code !== "daemon-not-running") throw error;
    const words = `${error.message}; without it --from DIR names a copy of the store on this host`;
    throw controlError("daemon-not-running", words, error);
  }
}
