/** What a comparison would do, as lines of text. */
import { formatCount, formatDuration } from "../../base/text-format.js";
import { countOf, withoutMiddle } from "../words.js";
import type { MailboxPlan, PlannedAction, TwinPlan } from "./plan-answer.js";

type ShownAction = Pick<PlannedAction, "words" | "why" | "count" | "messages">;

interface ShownPlan extends Pick<MailboxPlan, "mailbox" | "changing"> {
  readonly failure?: { readonly words: string } | undefined;
  readonly actions: readonly ShownAction[];
}

/** As a daemon of another version may tell it, too. */
export interface ShownTwinPlan extends Omit<TwinPlan, "plans" | "sums"> {
  readonly plans: readonly ShownPlan[];
  readonly sums: readonly { readonly words: string }[];
}

/** `of`: what each line begins with. `whoLetsGo`: as of `HeldBack`. What a peer says in it is not made harmless here. */
export function linesOfTwinPlan(it: ShownTwinPlan, of: string, whoLetsGo: string): readonly string[] {
  const further = it.further > 0 ? [`${of}and ${countOf(it.further, "mailbox")} more`] : [];
  return [...it.plans.flatMap((each) => linesOfPlan(each, of)), ...further, ...lastLines(it, of, whoLetsGo)];
}

function linesOfPlan({ mailbox, changing, failure, actions }: ShownPlan, of: string): readonly string[] {
  const name = `${of}${withoutMiddle(mailbox)}`;
  if (failure === undefined && actions.length === 0) return [`${name}: equal`];
  return [
    `${name}${changing ? " (something of it is on its way, and may be part of this)" : ""}`,
    ...(failure === undefined ? [] : [`  not compared: ${failure.words}`]),
    ...actions.flatMap(linesOfAction),
  ];
}

function linesOfAction({ words, why, count: all, messages }: ShownAction): readonly string[] {
  const more =
    messages.length > 0 && all > messages.length ? [`    and ${formatCount(all - messages.length)} more`] : [];
  return [`  ${words}: ${why}`, ...messages.map((each) => `    ${each.words}`), ...more];
}

function lastLines(it: ShownTwinPlan, of: string, whoLetsGo: string): readonly string[] {
  const { mailboxes, messages, equal, toChange, failed, sums, heldBack, comparing, elapsedMs } = it;
  const all = `${countOf(messages, "message")} in ${countOf(mailboxes, "mailbox")}`;
  const took = `(${formatDuration(elapsedMs)})`;
  const unread = failed === 0 ? "" : `, ${countOf(failed, "mailbox")} could not be compared`;
  const whole = equal === mailboxes ? `${all} are equal` : `of ${all} nothing is to be changed`;
  const verdict =
    toChange === 0
      ? `nothing to do: ${whole}`
      : `${countOf(toChange, "mailbox")} of ${formatCount(mailboxes)} would be changed`;
  const held = `${of}of the store, ${countOf(heldBack, "message")} that went at the source are held back, and stay (${whoLetsGo})`;
  return [
    ...(comparing ? [`${of}it is being compared now: what that has done already is not told`] : []),
    ...(heldBack > 0 ? [held] : []),
    ...(sums.length === 0 ? [] : [`${of}in all: ${sums.map(({ words }) => words).join(", ")}`]),
    `${of}${verdict}${unread} ${took}`,
  ];
}
