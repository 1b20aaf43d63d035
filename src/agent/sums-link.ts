/** A link on which one end asks how the other's store stands, by sums or for a plan, or what is in its limbo, and nothing else happens. */
import type { Clock } from "../base/clock.js";
import type { ReadSide } from "../resync/sums-types.js";
import { isLinkClosed, wireError } from "../wire/errors.js";
import { isOfLimbo } from "../wire/limbo-codec.js";
import type { Link } from "../wire/link.js";
import type { Answer, Ask, Reply, Request } from "../wire/messages.js";
import { Answers } from "./answers.js";
import { Asker, type Questions } from "./asker.js";
import { agentError } from "./errors.js";
import { errorOfFarewell, farewellOf } from "./farewell.js";
import { answerLimbo, type LimboSide } from "./limbo-side.js";
import { RemoteSide } from "./remote-side.js";
import { answerSums, isOfSums } from "./sums-answers.js";

/** What is answered on such a link. */
export interface Answering {
  readonly isMeant: (ask: Ask) => boolean;
  readonly answer: (ask: Ask, signal: AbortSignal) => Promise<Answer>;
}

/** As `serveAnswers`: the sums of that store, and its limbo; undefined: nothing is told of that. */
export async function serveSums(link: Link, side: ReadSide, signal: AbortSignal, limbo?: LimboSide): Promise<void> {
  const isMeant: Answering["isMeant"] = (ask) => isOfSums(ask) || (limbo !== undefined && isOfLimbo(ask));
  const answer: Answering["answer"] = async (ask, inner) => {
    if (isOfSums(ask)) return answerSums(side, ask, inner);
    if (limbo === undefined || !isOfLimbo(ask)) throw confused();
    return answerLimbo(limbo, ask, inner);
  };
  await serveAnswers(link, { isMeant, answer }, signal);
}

/** Answers until the other end closes the link, or `signal` aborts; closes it. Throws: peer-confused, wire-invalid, the abort reason. */
export async function serveAnswers(link: Link, answering: Answering, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const answers = new Answers({ link, answer: (request, inner) => answerTo(answering, request, inner) });
  const running = answers.run(both);
  running.catch((error: unknown) => stop.abort(error));
  try {
    for await (const message of link.messages(both)) {
      if (message.kind !== "request" || !answering.isMeant(message.ask)) throw confused();
      answers.take(message);
    }
  } catch (error) {
    if (signal.aborted || !isLinkClosed(error)) throw error;
  } finally {
    answers.close();
    stop.abort(wireError("link-closed", "serving a comparison: it is over"));
    await Promise.allSettled([running]);
    link.close();
  }
}

function confused() {
  return agentError("peer-confused", "serving a comparison: the other end wants something else");
}

async function answerTo({ answer }: Answering, { id, ask }: Request, signal: AbortSignal): Promise<Reply> {
  try {
    return { kind: "reply", id, result: { ok: true, answer: await answer(ask, signal) } };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "reply", id, result: { ok: false, failure: farewellOf(error) } };
  }
}

export interface AskedLink extends AsyncDisposable {
  readonly asker: Questions;
  readonly side: ReadSide;
}

/** The store at the other end, for as long as this is not disposed of, which closes the link. `name`: of the other end, for people. */
export function askOver(link: Link, name: string, clock: Clock): AskedLink {
  const asker = new Asker({ link, clock });
  const stop = new AbortController();
  const reading = readReplies(link, asker, name, stop.signal).catch((error: unknown) => asker.fail(error));
  return {
    ...{ asker, side: new RemoteSide(asker) },
    async [Symbol.asyncDispose]() {
      link.close();
      stop.abort(wireError("link-closed", `comparing with ${name}: it is over`));
      await reading;
    },
  };
}

async function readReplies(link: Link, asker: Asker, name: string, signal: AbortSignal): Promise<never> {
  for await (const message of link.messages(signal)) {
    if (message.kind === "farewell") throw errorOfFarewell(name, message.failure);
    if (message.kind !== "reply")
      throw agentError("peer-confused", `comparing with ${name}: it sent "${message.kind}"`);
    asker.settle(message);
  }
  throw wireError("link-closed", `comparing with ${name}: it closed the link`);
}
