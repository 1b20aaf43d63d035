/**
 * Mailboxes that a replica refused because the brake holds back what it lacks of them: they are tried again when the brake has let something
 * go, or it has come back. Nobody else would do so in a `sync --watch`; in a daemon that would be in five minutes at the most.
 */
import { isOfHeld } from "../agent/absent-bodies.js";
import type { ReplayAgent } from "../agent/replay-agent.js";
import type { BrakeReport } from "../capture/capture-types.js";
import type { Capturer } from "../capture/capturer.js";

/** Looks in a row for which a store that never rests is waited for. */
const WAITS_MAX = 3;

export class HeldRetry {
  readonly #capturer: Pick<Capturer, "brake" | "settled">;
  #before: BrakeReport | undefined;
  #isDue = false;
  #waits = 0;

  constructor(capturer: Pick<Capturer, "brake" | "settled">) {
    this.#capturer = capturer;
  }

  /**
   * Call it again and again. What was let go is captured first, so that the log says what became of it. Returns whether something is to be tried
   * again and that is still awaited.
   */
  look(agents: Iterable<Pick<ReplayAgent, "rejections" | "retry">>): boolean {
    const { brake, settled } = this.#capturer;
    if (this.#before !== undefined && brake !== undefined && holdsLess(this.#before, brake)) this.#isDue = true;
    this.#before = brake;
    if (brake !== undefined && !this.#isDue) return false;
    const due = Array.from(agents, (agent) => ({ agent, rows: agent.rejections.filter(isOfHeld) }));
    const isAny = due.some(({ rows }) => rows.length > 0);
    this.#waits = settled || !isAny ? 0 : this.#waits + 1;
    if (this.#waits > 0 && this.#waits < WAITS_MAX) return true;
    [this.#isDue, this.#waits] = [false, 0];
    for (const { agent, rows } of due) for (const { mailbox } of rows) agent.retry(mailbox);
    return false;
  }
}

function holdsLess(before: BrakeReport, now: BrakeReport): boolean {
  const messagesAt = new Map(now.named.map(({ path, messages }) => [path, messages]));
  return (
    now.sinceMs !== before.sinceMs ||
    now.held < before.held ||
    before.mounts.some((path) => !now.mounts.includes(path)) ||
    before.named.some(({ path, messages }) => (messagesAt.get(path) ?? 0) < messages)
  );
}
