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
  {
    pattern:
      /: Warning: Maildir \S+: Synchronization took \d+ seconds \(\d+ new msgs, (\d{4,} flag change attempts, \d+|\d+ flag change attempts, \d{4,}) expunge attempts\)$/,
    why: "a bulk of thousands of changes takes a slow machine that long by itself; a wait for a lock is seen where there are few",
  },
];

/** The lines at warning level and above, without the known harmless ones. */
export function problemLines(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => SERIOUS.test(line) && !HARMLESS.some(({ pattern }) => pattern.test(line)));
}
