/**
 * What is settled with a replica before the first transaction is offered to it, and after the last: mail that only the replica has, at
 * first contact.
 *
 * INVARIANT: of what the replica may not have nothing is asked, whatever it says that it has.
 * INVARIANT: that mail of it was set aside is noted durably before it is, so that it is put back by a later link too.
 */

import type { ReplayAgent } from "../../agent/replay-agent.js";
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import type { Welcome } from "../../wire/messages.js";
import type { Replica } from "../config/config.js";
import { meetDestination, surveyDestination } from "../first-contact.js";
import { restoreAside } from "../foreign-moves.js";
import type { NextUidPorts } from "../next-uids.js";
import { type EventLog, logNextUid } from "./event-log.js";
import { asideKey } from "./replica-notes.js";
import type { ReplicaEvent } from "./replica-state.js";
import type { SourceStore } from "./source-store.js";

export interface MeetingPorts {
  readonly replica: Replica;
  readonly store: SourceStore;
  readonly path: string;
  /** Which mailboxes the replica may have; undefined: all. */
  readonly mayHave: ((path: RawPath) => boolean) | undefined;
  readonly agent: Pick<ReplayAgent, "asker" | "compareFirst">;
  readonly log: EventLog;
}

/** Throws: destination-has-mail, maildirs-elsewhere, having changed nothing. */
export async function meetReplica(
  {
    replica,
    store,
    path,
    mayHave = () => true,
    agent,
    log,
    step,
  }: MeetingPorts & { readonly step: (event: ReplicaEvent) => void },
  welcome: Welcome,
  signal: AbortSignal,
): Promise<void> {
  if (welcome.firstContact) {
    step("met-first");
    const surveyed = await surveyDestination(agent.asker, signal);
    const standing = surveyed.filter((it) => mayHave(it.path));
    if (standing.length > 0) {
      await store.untilCaptured(signal);
      const { worker, bodies, capturer, writer } = store.side;
      const rows = Array.from(capturer.rows).filter((row) => mayHave(row.path));
      await writer.setMeta(asideKey(replica.name), "1");
      const meeting = await meetDestination(
        {
          ...{ worker, bodies, capturer: { rows }, isAnew: false },
          stores: { source: path, destination: `the replica ${replica.name}` },
          onConflict: (mailbox, words) => log.write("conflict-resolved", { mailbox: displayRaw(mailbox), words }),
          ...nextUidPorts({ agent, store, log }),
          onKept: (words) => log.write("foreign-kept", { words }),
          onRefused: (mailbox, { code, message }) =>
            log.write("mailbox-problem", { mailbox: displayRaw(mailbox), code, message }),
        },
        standing,
        replica.foreign,
        signal,
      );
      const { kept, toLimbo, reused, remarked } = meeting;
      log.write("replica-first-contact", { mailboxes: standing.length, kept, toLimbo, reused, remarked });
      agent.compareFirst(); // the log would have it go through all that has happened since, and what stands there is of today.
    } else log.write("replica-first-contact", { mailboxes: 0 });
  }
  // What is compared is compared with what the log knows: of a store that is not captured yet, all else would be called deleted.
  else await store.untilCaptured(signal);
  step("met");
}

/** Call it when all that the source has is there. */
export async function restoreKept(
  { replica, store, mayHave = () => true, agent, log }: MeetingPorts,
  signal: AbortSignal,
): Promise<void> {
  const { reader, writer, capturer } = store.side;
  if ((reader.meta(asideKey(replica.name)) ?? "") === "") return;
  const onRefused = (mailbox: RawPath, { code, message }: { readonly code: string; readonly message: string }) =>
    log.write("mailbox-problem", { mailbox: displayRaw(mailbox), code, message });
  const rows = Array.from(capturer.rows).filter(({ path }) => mayHave(path));
  const ports = { ...nextUidPorts({ agent, store, log }), onRefused };
  if (await restoreAside(ports, rows, signal)) await writer.setMeta(asideKey(replica.name), "");
}

function nextUidPorts({ agent, store, log }: Pick<MeetingPorts, "agent" | "store" | "log">): NextUidPorts {
  return { asker: agent.asker, source: store.adapted, onNextUid: (news) => logNextUid(log, news) };
}
