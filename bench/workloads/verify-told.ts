/**
 * Is what `mailtwin verify --json` said what is so? Pure.
 */

export interface Answer {
  readonly exitCode: number;
  readonly output: string;
}

/** One message whose flags differ. */
export interface Known {
  readonly guid: string | undefined;
  readonly uid: number | undefined;
}

interface Told {
  readonly equal?: boolean;
  readonly a?: { readonly mailboxes: number; readonly messages: number };
  readonly b?: { readonly mailboxes: number; readonly messages: number };
  readonly differences?: readonly {
    readonly guid?: string;
    readonly findings: readonly { readonly kind: string; readonly uid?: number }[];
    readonly further: number;
  }[];
}

/** What is wrong with an answer that must be "equal", with everything looked at; none when nothing is. */
export function wrongInEqual(
  answer: Answer,
  { mails, mailboxes }: { readonly mails: number; readonly mailboxes: number },
): string[] {
  const told = toldBy(answer);
  if (told === undefined || answer.exitCode !== 0 || told.equal !== true) return [`equal stores: ${shown(answer)}`];
  const isWhole = [told.a, told.b].every((side) => side?.messages === mails && side.mailboxes === mailboxes);
  return isWhole ? [] : [`${mails} mails in ${mailboxes} mailboxes: ${shown(answer)}`];
}

/** What is wrong with an answer that must name this one message and nothing else. */
export function wrongInOne(answer: Answer, { guid, uid }: Known): string[] {
  const told = toldBy(answer);
  const [difference, ...others] = told?.differences ?? [];
  const [finding, ...more] = difference?.findings ?? [];
  const isRight =
    answer.exitCode === 1 &&
    told?.equal === false &&
    difference?.guid === guid &&
    finding?.kind === "message" &&
    finding.uid === uid &&
    others.length + more.length + (difference?.further ?? 0) === 0;
  return isRight ? [] : [`UID ${uid} of mailbox ${guid} differs: ${shown(answer)}`];
}

function toldBy({ output }: Answer): Told | undefined {
  const line = output.split("\n").find((each) => each.startsWith("{"));
  try {
    return line === undefined ? undefined : (JSON.parse(line) as Told);
  } catch {
    return undefined;
  }
}

const SHOWN_CHARS_MAX = 300;

function shown({ exitCode, output }: Answer): string {
  return `exit code ${exitCode}, ${output.trim().slice(0, SHOWN_CHARS_MAX)}`;
}
