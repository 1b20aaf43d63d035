/**
 * Grants the replica's wishes for bodies, whatever happens to them at the source meanwhile: those that are not found are looked for
 * again until they are sent, or the log says that they are gone.
 *
 * INVARIANT: one wish at a time is answered, in the order in which they came; one of which something has to be looked for again lets
 * the others go on meanwhile, so that such waits never add up.
 */
import { Beside } from "../base/beside.js";
import type { BoundedQueue } from "../base/bounded-queue.js";
import type { Clock } from "../base/clock.js";
import { systemHintOf } from "../base/errors.js";
import { Turns } from "../base/turns.js";
import type { Want } from "../wire/messages.js";
import { AbsentSearch, settleAbsent, WORDS_OF_HELD } from "./absent-bodies.js";
import { type BodySenderPorts, sendBodies, sendGone } from "./body-sender.js";
import { type Cause, causeOf } from "./conflict-rules.js";
import type { MayHave } from "./offer-line.js";
import type { Offered, OfferWindow } from "./offer-window.js";
import type { SourceSide } from "./source-side.js";

export interface WishPorts extends BodySenderPorts {
  readonly clock: Clock;
  readonly source: SourceSide;
  readonly mayHave?: MayHave;
  readonly window: Pick<OfferWindow, "get" | "has">;
  readonly onBodyBytes: (bytes: number) => void;
  /** The bodies of that transaction cannot be had. */
  readonly giveUp: (offered: Offered, cause: Cause, signal: AbortSignal) => Promise<void>;
}

/** Wishes that wait for what is looked for at the source; with more of them the next ones wait, too. */
const WAITING_MAX = 64;
const NOT_FOUND = "body-not-found";
const UNFOUND: Cause = {
  code: NOT_FOUND,
  words: "a message of it stands in the uidlist of the source, but its file cannot be found there",
};

/** What is left of a wish. */
interface Grant {
  readonly offered: Offered;
  readonly absent: readonly number[];
}

type Answered = { readonly cause: Cause } | { readonly absent: readonly number[] };

/** Rejects when `signal` aborts, or with what concerns more than one mailbox; nothing is under way then. */
export async function grantWishes(ports: WishPorts, wishes: BoundedQueue<Want>, signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const waiting = new Beside(WAITING_MAX, (error) => failed.abort(error));
  const turns = new Turns<WishPorts>();
  try {
    for await (const { id, indexes } of wishes.drain(both)) {
      const offered = ports.window.get(id);
      if (offered === undefined) continue; // settled meanwhile.
      const absent = await turns.take(ports, () => answer(ports, offered, indexes, both));
      if (absent.length > 0) await waiting.add(lookOn(ports, { offered, absent }, turns, both));
    }
  } finally {
    failed.abort(new Error("no more wishes are granted"));
    await waiting.ended();
  }
}

/** Until nothing of it is absent any more, or it was settled otherwise. */
async function lookOn(ports: WishPorts, grant: Grant, turns: Turns<WishPorts>, signal: AbortSignal): Promise<void> {
  const { offered } = grant;
  const search = new AbsentSearch(ports.source);
  for (let { absent } = grant; absent.length > 0 && ports.window.has(offered); ) {
    const { gone, again, held } = await settleAbsent(ports, offered.transaction, absent, signal);
    if (gone.length > 0) await sendGone(ports, offered.id, gone, signal);
    if (again.length === 0) return;
    search.noteLook();
    if (held !== undefined) return ports.giveUp(offered, { code: NOT_FOUND, words: WORDS_OF_HELD[held] }, signal);
    if (search.isOver) return ports.giveUp(offered, UNFOUND, signal);
    absent = await turns.take(ports, () => answer(ports, offered, again, signal));
  }
}

/** Returns what was not found. */
async function answer(
  ports: WishPorts,
  offered: Offered,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const answered = await sendFound(ports, offered, indexes, signal);
  if ("absent" in answered) return answered.absent;
  await ports.giveUp(offered, answered.cause, signal);
  return [];
}

async function sendFound(
  ports: WishPorts,
  { id, transaction }: Offered,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<Answered> {
  const path = ports.source.pathOf(transaction.mailbox);
  if (ports.mayHave?.(path ?? transaction.path) === false) {
    const words = "the mailbox was moved to where the replica has no right to it";
    return { cause: { code: "replica-without-right", words } };
  }
  const outcome = await sendBodies(ports, { id, transaction, path, indexes }, signal);
  if (outcome.kind === "unreadable") return { cause: unreadable(causeOf(outcome.problem)) };
  ports.onBodyBytes(outcome.bytes);
  return { absent: outcome.absent };
}

/** A system error tells what was opened, and not on which side. */
function unreadable({ code, words }: Cause): Cause {
  return systemHintOf(code) === undefined
    ? { code, words }
    : { code, words: `reading a message at the source: ${words}` };
}
