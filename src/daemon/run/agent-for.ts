/** The agent of a replica, as the daemon has it: it compares and heals, and what it does is logged. */

import { isOfLock } from "../../agent/conflict-rules.js";
import { ReplayAgent, type ReplayAgentSinks } from "../../agent/replay-agent.js";
import type { Clock } from "../../base/clock.js";
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import type { RejectionRow } from "../../log/state-types.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import type { Link } from "../../wire/link.js";
import type { Replica } from "../config/config.js";
import { renumberedBy, reportOf } from "../tally.js";
import type { AskedComparisons } from "./asked-comparisons.js";
import { clearPlace } from "./clear-place.js";
import { isRefused, levelOfRefusal } from "./daemon-hints.js";
import { type EventLog, type EventName, logNextUid, logRenumbered } from "./event-log.js";
import type { ForeignMail } from "./foreign-mail.js";
import type { SourceStore } from "./source-store.js";

export interface AgentPorts {
  readonly replica: Replica;
  readonly store: SourceStore;
  /** Which mailboxes it may have; undefined: all. */
  readonly mayHave: ((path: RawPath) => boolean) | undefined;
  readonly clock: Clock;
  /** From 0 to 1, for the back-offs. */
  readonly random: () => number;
  readonly log: EventLog;
}

interface AgentOptions {
  readonly link: Link;
  readonly foreign: ForeignMail;
  readonly asked: AskedComparisons;
  /** The whole replica is compared first. */
  readonly mustCompare: boolean;
}

type AgentSinks = Required<Pick<ReplayAgentSinks, "onShipped" | "onBodyBytes" | "onCompared">>;

export function agentFor(
  { replica, store, clock, log, mayHave, random }: AgentPorts,
  { link, foreign, asked, mustCompare }: AgentOptions,
  { onShipped, ...sinks }: AgentSinks,
): ReplayAgent {
  const { reader, writer, bodies, notes } = store.side;
  const lasting = new Set<MailboxGuid>();
  const agent: ReplayAgent = new ReplayAgent(
    replica.name,
    { link, bodies, reader, writer, clock, source: store.adapted, mayHave, onRead: notes.onRead },
    {
      ...sinks,
      onShipped: (shipped) => {
        onShipped(shipped);
        const { lsn, transaction, notes: told } = shipped;
        notes.onShipped(transaction);
        const { mailbox, saves, marks, expunges, lagMs } = reportOf(lsn, transaction, told, clock.nowMs());
        log.write("transaction-shipped", { lsn, mailbox, saves, marks, expunges, lagMs });
        const renumbered = renumberedBy(transaction, reader);
        if (renumbered !== undefined) logRenumbered(log, renumbered);
      },
      onConflict: (path, words) => log.write("conflict-resolved", { mailbox: displayRaw(path), words }),
      onNextUid: (news) => logNextUid(log, news),
      onRejected: (row) => {
        const { mailbox, path, code, message, lsn, attempts } = row;
        log.write(eventOf(row, lasting), { mailbox: displayRaw(path), code, message, lsn, attempts });
        asked.refused(mailbox);
      },
      onMended: ({ row: { mailbox: guid, path, code, attempts }, counts }) => {
        lasting.delete(guid);
        const mailbox = displayRaw(reader.mailboxByGuid(guid)?.path ?? path);
        if (isRefused(code)) log.write("rejection-over", { mailbox, code, attempts });
        if (counts !== undefined && code !== "replica-away") {
          const { messages, differed, foreign: foreignMessages } = counts;
          log.write("mailbox-compared", { mailbox, code, messages, differed, foreignMessages });
        }
        asked.compared(guid, counts);
      },
      onForeign: (mailbox, messages) => {
        const path = reader.mailboxByGuid(mailbox)?.path;
        if (foreign.note(mailbox, messages, clock.nowMs()) && path !== undefined)
          log.write("foreign-kept", { mailbox: displayRaw(path), messages });
      },
    },
    {
      ...{
        compares: true,
        heals: true,
        asksStanding: true,
        inboxFirst: replica.mode === "on-demand",
        mustCompare,
        random,
      },
      acceptsUidValidity: "unwritten",
      clearPlace: (row, occupant, signal) => clearPlace({ store, asker: agent.asker, log }, { row, occupant }, signal),
    },
  );
  return agent;
}

/** A person is told once: of a lock, when it lasts. `lasting`: mailboxes of whose locks one was told. */
export function eventOf(
  { mailbox, code, firstMs, lastMs, attempts }: RejectionRow,
  lasting: Set<MailboxGuid>,
): EventName {
  if (!isOfLock(code)) return attempts > 1 ? "transaction-rejected-again" : "transaction-rejected";
  const needsPerson = levelOfRefusal(code, lastMs - firstMs) === "needs-you";
  if (!needsPerson) return attempts > 1 ? "transaction-rejected-again" : "mailbox-locked";
  if (lasting.has(mailbox)) return "transaction-rejected-again";
  lasting.add(mailbox);
  return "transaction-rejected";
}
