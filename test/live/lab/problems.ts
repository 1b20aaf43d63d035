/**
 * Which log lines of Dovecot count as problems: every warning, error, fatal error and panic.
 *
 * A replicator beside an unmodified Dovecot must cause none of them. Each exception below says why it is harmless and
 * cannot be caused by what happens to the mail.
 */
const SERIOUS = /(?:^|[\s>:)])(?:Warning|Error|Fatal|Panic): /;

interface Harmless {
  readonly pattern: RegExp;
  readonly why: string;
}

const HARMLESS: readonly Harmless[] = [
  {
    pattern: /^(\S+ ){0,3}master: Warning: Killed with signal 15 \(by pid=\d+ uid=\d+ code=kill\)/,
    why: "our own stop() sends TERM to the master",
  },
];

/** The lines at warning level and above, without the known harmless ones. */
export function problemLines(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => SERIOUS.test(line) && !HARMLESS.some(({ pattern }) => pattern.test(line)));
}
