/**
 * Mail that is held back, had back from a replica over its live link, for a command that puts it where it belongs: into files of the source's
 * state directory, since whoever may open the control socket need not be allowed to read mail.
 */
import { RemoteSide } from "../../agent/remote-side.js";
import type { ReplayAgent } from "../../agent/replay-agent.js";
import { Turns } from "../../base/turns.js";
import { loggedRecords } from "../body-notes.js";
import type { FetchAnswer, FetchQuery } from "../control/daemon-control.js";
import { fetchInto } from "../reject/fetched-copies.js";
import { ReplicaMail } from "../reject/replica-mail.js";
import type { SourceStore } from "./source-store.js";
import { LOOKS } from "./turns.js";

export interface FetchedFrom {
  readonly store: Pick<SourceStore, "side" | "stateDir">;
  readonly agent: ReplayAgent;
}

const LET_GO = "it is not held back any more";

/** Whatever is fetched into a state directory is fetched one at a time. */
export class FetchTurns extends Turns<FetchedFrom["store"]> {}

export class HeldFetches {
  /** What a link has shown of its replica. */
  readonly #mailByAgent = new WeakMap<ReplayAgent, ReplicaMail>();
  readonly #turns: FetchTurns;

  constructor(turns = new FetchTurns()) {
    this.#turns = turns;
  }

  /** As `DaemonControl.fetchHeld`. */
  fetch(from: FetchedFrom, query: FetchQuery, signal: AbortSignal): Promise<FetchAnswer> {
    const fetch = () => LOOKS.take(from.agent, () => this.#fetch(from, query, signal), signal);
    return this.#turns.take(from.store, fetch, signal);
  }

  async #fetch({ store, agent }: FetchedFrom, query: FetchQuery, signal: AbortSignal): Promise<FetchAnswer> {
    const { reader, notes } = store.side;
    const uids = [...new Set(query.uids)].sort((a, b) => a - b);
    const row = reader.mailboxByGuid(query.mailbox);
    if (row === undefined) return { messages: uids.map((uid) => ({ uid, why: LET_GO })) };
    const records = loggedRecords(reader, row, uids);
    const mail = this.#mailByAgent.get(agent) ?? new ReplicaMail(new RemoteSide(agent.asker));
    this.#mailByAgent.set(agent, mail);
    if (query.look) {
      const known = uids.flatMap((uid) => records.get(uid) ?? []);
      const whys = await mail.whyLacking(row, known, signal);
      const whyByUid = new Map<number, string | undefined>(known.map(({ uid }, index) => [uid, whys[index]]));
      return { messages: uids.map((uid) => told(uid, records.has(uid) ? whyByUid.get(uid) : LET_GO)) };
    }
    const gone = uids.findIndex((uid) => !records.has(uid));
    const [first] = uids;
    if (first === undefined || gone === 0) return { messages: first === undefined ? [] : [told(first, LET_GO)] };
    const wanted = uids.slice(0, gone < 0 ? undefined : gone).flatMap((uid) => records.get(uid) ?? []);
    const known = notes.known.bind(notes);
    const fetched = await fetchInto(store.stateDir, (scratch) => mail.fetch(row, wanted, { scratch, known }, signal));
    return { messages: fetched.map(({ uid, why }) => told(uid, why)) };
  }
}

function told(uid: number, why: string | undefined): FetchAnswer["messages"][number] {
  return { uid, ...(why === undefined ? {} : { why }) };
}
