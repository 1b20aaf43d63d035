/**
 * In which order tests run: files that are known to take long begin first, so that no worker is left alone with one at the end.
 *
 * Vitest itself begins with those that took longest the last time, which a fresh machine does not know; there it goes by the
 * size of a file, and what takes longest is short (crash.test.ts). Everything that is not listed keeps vitest's order.
 */
/**
 * Longest first; the live ones take, in seconds, with two others beside them on two cores: 155, 140, 110, 105, 100, 95, 90, 75, 65,
 * 65, 50, and 30 to 40 each from then on. What `npx vitest run --project live` says behind each file is how it is now.
 */
export const LONG_FILES = [
  "test/live/verify-repairs.test.ts",
  "test/live/seed-killed.test.ts",
  "test/live/seed-resumed.test.ts",
  "test/live/resync-repairs.test.ts",
  "test/live/crash.test.ts",
  "test/live/crash-mailboxes.test.ts",
  "test/live/odd-files.test.ts",
  "test/live/overflow.test.ts",
  "test/live/deletion-brake.test.ts",
  "test/live/bad-mailboxes.test.ts",
  "test/live/crash-renumber.test.ts",
  "test/live/folders.test.ts",
  "test/live/full-disk.test.ts",
  "test/live/bad-state.test.ts",
  "test/live/replica-renames.test.ts",
  "test/live/flags.test.ts",
  "test/live/daemon-cut.test.ts",
  "test/live/seed-changing.test.ts",
  "test/live/verify-busy.test.ts",
  "test/live/reject-over-ssh.test.ts",
  "test/live/bad-permissions.test.ts",
  "test/live/bad-places.test.ts",
  "test/live/folders-nested.test.ts",
  "test/live/daemon-log-limit.test.ts",
  "test/live/daemon-restarts.test.ts",
  "test/live/first-contact.test.ts",
  "test/live/crash-large.test.ts",
  "test/live/owners.test.ts",
  "test/live/own-inbox.test.ts",
  "test/unit/apply/crash-mailboxes.test.ts",
  "test/unit/daemon/run/scrub.test.ts",
  "test/unit/daemon/reject/rejected-deletions.test.ts",
  "test/unit/daemon/reject/rejected-over-link.test.ts",
  "test/unit/daemon/misplaced.test.ts",
  "test/unit/daemon/made-anew.test.ts",
  "test/unit/daemon/run/hard-times.test.ts",
  "test/property/apply/histories.test.ts",
  "test/unit/daemon/claimed.test.ts",
  "test/unit/bench/cli.test.ts",
  "test/unit/daemon/cli.test.ts",
  "test/unit/daemon/wrong-store.test.ts",
  "test/unit/daemon/logs/log-command.test.ts",
  "test/unit/daemon/put-back.test.ts",
  "test/unit/daemon/interruption.test.ts",
  "test/unit/daemon/begin-anew.test.ts",
  "test/unit/daemon/dry-run.test.ts",
  "test/unit/daemon/surprising-deletions.test.ts",
];

const RANK_BY_FILE = new Map(LONG_FILES.map((file, rank) => [file, rank]));

/**
 * Within each group of projects that vitest runs at once (`sequence.groupOrder`).
 *
 * @template T
 * @param {readonly T[]} specs
 * @param {(spec: T) => { readonly groupOrder: number, readonly file: string }} describe
 * @returns {T[]}
 */
export function longestFirst(specs, describe) {
  const known = specs.map((spec) => {
    const { groupOrder, file } = describe(spec);
    return { spec, groupOrder, rank: RANK_BY_FILE.get(file) ?? LONG_FILES.length };
  });
  known.sort((a, b) => a.groupOrder - b.groupOrder || a.rank - b.rank); // a stable sort.
  return known.map(({ spec }) => spec);
}
