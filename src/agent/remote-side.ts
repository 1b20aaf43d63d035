/** The store at the other end of a link as one side of a comparison. Its answers are within the limits of the language; what else is true of them the comparison judges. */
import type { RawPath } from "../base/raw-name.js";
import { comparedConfused } from "../resync/errors.js";
import type { ReadSide } from "../resync/sums-types.js";
import type { Answer, SumsAsk } from "../wire/messages.js";
import { type MessagePart, type MessagesOf, PARTS_BYTES_MAX, type PartsOf, type SpansOf } from "../wire/sums.js";
import type { Asker } from "./asker.js";

export class RemoteSide implements ReadSide {
  readonly #asker: Pick<Asker, "ask">;

  constructor(asker: Pick<Asker, "ask">) {
    this.#asker = asker;
  }

  async store(signal: AbortSignal) {
    return this.#ask({ kind: "sum-store" }, "store-sum", signal);
  }

  async mailboxes(after: RawPath | undefined, signal: AbortSignal) {
    return (await this.#ask({ kind: "sum-mailboxes", after }, "mailbox-sums", signal)).mailboxes;
  }

  async ranges(of: SpansOf, signal: AbortSignal) {
    return (await this.#ask({ kind: "sum-ranges", ...of }, "range-sums", signal)).ranges;
  }

  async marks(of: SpansOf, signal: AbortSignal) {
    return (await this.#ask({ kind: "mark-messages", ...of }, "message-marks", signal)).marks;
  }

  async states(of: MessagesOf, signal: AbortSignal) {
    const { states } = await this.#ask({ kind: "tell-messages", ...of }, "message-states", signal);
    const asked = new Set(of.uids);
    if (states.every(({ uid }) => asked.delete(uid))) return states;
    throw comparedConfused("it tells of messages that it was not asked for, or twice");
  }

  async hashes(of: MessagesOf, signal: AbortSignal) {
    const { hashes } = await this.#ask({ kind: "hash-messages", ...of }, "message-hashes", signal);
    if (hashes.length === of.uids.length) return hashes;
    throw comparedConfused("it has not one hash for each message");
  }

  async parts(of: PartsOf, signal: AbortSignal) {
    const { parts } = await this.#ask({ kind: "read-messages", ...of }, "message-parts", signal);
    if (isAnswer(of, parts)) return parts;
    throw comparedConfused("it sends other parts of messages than it was asked for");
  }

  async #ask<K extends Answer["kind"]>(ask: SumsAsk, kind: K, signal: AbortSignal) {
    const answer = await this.#asker.ask(ask, signal);
    if (answer.kind !== kind) throw comparedConfused(`it answered "${answer.kind}"`);
    return answer as Extract<Answer, { kind: K }>;
  }
}

/** Whether these can be the first parts of what was asked for. */
export function isAnswer(
  {
    messages,
    offset,
    looksOnly = false,
  }: Pick<PartsOf, "offset" | "looksOnly"> & { readonly messages: readonly unknown[] },
  parts: readonly MessagePart[],
): boolean {
  const isFew = parts.length > 0 && parts.length <= messages.length;
  const lengths = parts.map((part) => part?.bytes.length ?? 0);
  const sum = lengths.reduce((all, length) => all + length, 0);
  if (looksOnly) return parts.length === messages.length && sum === 0;
  const isSound = (part: MessagePart, index: number) => {
    const rest = part === undefined ? 0 : Math.max(0, part.size - (index === 0 ? offset : 0));
    const isCut = index === parts.length - 1 && sum === PARTS_BYTES_MAX;
    return part === undefined || part.bytes.length === rest || (isCut && part.bytes.length < rest);
  };
  return isFew && parts.every(isSound);
}
