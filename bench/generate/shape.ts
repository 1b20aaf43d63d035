/**
 * The shape of a generated tree: which users and mailboxes there are, how many mails each holds, how large mails are.
 * Pure: the same options give the same shape.
 */
import { createRandom, type Random } from "./random.js";

export interface TreeOptions {
  readonly mails: number;
  /** Mailboxes of each user, INBOX included. 1 = one INBOX with everything. */
  readonly mailboxes: number;
  /** 1: the tree is one Maildir. More: `user0001/Maildir` and so on. */
  readonly users: number;
  readonly meanBytes: number;
  readonly seed: number;
}

export interface MailboxShape {
  /** Relative to the tree, "" for its root; the INBOX of a user is the Maildir itself. */
  readonly path: string;
  readonly isInbox: boolean;
  readonly mails: number;
  /** Index in the tree of the first mail. */
  readonly firstIndex: number;
  readonly recipient: string;
}

export interface UserShape {
  /** Relative path of the Maildir, "" for the tree itself. */
  readonly path: string;
  readonly mailboxes: readonly MailboxShape[];
}

export const DEFAULT_TREE: TreeOptions = { mails: 10_000, mailboxes: 12, users: 1, meanBytes: 23_000, seed: 1 };
export const MAIL_BYTES_MAX = 10_000_000;
/** The smallest mail that has a header and a line of text. */
export const MAIL_BYTES_MIN = 420;

const SHAPE_STREAM = 0x54a9e;
const FOLDERS = [
  "Sent",
  "Archive.2024",
  "Archive.2023",
  "Archive",
  "Lists.dev",
  "Trash",
  "Junk",
  "Projects.Blue",
  "Drafts",
  "Entw&APw-rfe",
  "Archive.2022",
];
const INBOX_WEIGHT = 6;

export function planTree(options: TreeOptions): readonly UserShape[] {
  const random = createRandom(options.seed, SHAPE_STREAM);
  const perUser = apportion(
    options.mails,
    Array.from({ length: options.users }, () => Math.exp(0.7 * random.normal())),
  );
  let firstIndex = 0;
  return perUser.map((mails, at) => {
    const user = `user${String(at + 1).padStart(4, "0")}`;
    const path = options.users === 1 ? "" : `${user}/Maildir`;
    const names = ["", ...Array.from({ length: options.mailboxes - 1 }, (_, folder) => folderName(folder))];
    const counts = apportion(
      mails,
      names.map((_, rank) => (rank === 0 ? INBOX_WEIGHT : 6 / (rank + 1))),
    );
    const mailboxes = names.map((name, rank): MailboxShape => {
      const count = counts[rank] ?? 0;
      const shape = {
        path: join(path, name),
        isInbox: rank === 0,
        mails: count,
        firstIndex,
        recipient: `${user}@example.net`,
      };
      firstIndex += count;
      return shape;
    });
    return { path, mailboxes };
  });
}

/**
 * Lognormal sizes with the wanted mean. From 10 kB up with the spread of real stores (median 6 kB where the mean is 23 kB);
 * smaller means are stores of notes and notifications, which spread less.
 */
export function mailSizeSampler(meanBytes: number): (random: Random) => number {
  const medianShare = meanBytes >= 10_000 ? 6 / 23 : 0.7;
  const sigma = Math.sqrt(2 * Math.log(1 / medianShare));
  const median = meanBytes * medianShare;
  return (random) => {
    const size = Math.round(median * Math.exp(sigma * random.normal()));
    return Math.min(MAIL_BYTES_MAX, Math.max(MAIL_BYTES_MIN, size));
  };
}

function folderName(at: number): string {
  return `.${FOLDERS[at] ?? `Folder.${String(at + 1).padStart(4, "0")}`}`;
}

function join(parent: string, child: string): string {
  return parent === "" ? child : child === "" ? parent : `${parent}/${child}`;
}

/** Whole numbers in proportion to the weights whose sum is `total`. */
function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  let given = 0;
  let weighed = 0;
  return weights.map((weight) => {
    weighed += weight;
    const upTo = Math.round((total * weighed) / sum);
    const share = upTo - given;
    given = upTo;
    return share;
  });
}
