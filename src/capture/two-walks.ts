/**
 * What two walks over a store in a row say of the known mailboxes that the second one did not find. Pure.
 *
 * A walk can miss a directory that is being renamed meanwhile, or one in it. Whoever renames all the time makes that uncertain for
 * what is his, and not for the mailboxes of others: in a tree of users each stands for himself.
 */
import type { MailboxGuid } from "../maildir/ids.js";
import { oneTree, treesOf } from "../maildir/whose-tree.js";
import type { FoundMailbox } from "./capture-types.js";
import type { KnownMailbox } from "./plan-structure.js";

export interface TwoWalks {
  readonly first: readonly FoundMailbox[];
  readonly second: readonly FoundMailbox[];
  /** Of many users. */
  readonly isTree: boolean;
}

/** Those that the first one found, or of a user whose mailboxes moved between the two. */
export function uncertainAfter(
  { first, second, isTree }: TwoWalks,
  known: readonly KnownMailbox[],
): readonly MailboxGuid[] {
  const paths = new Set<string>([...first, ...second, ...known].map(({ path }) => path));
  const owner = isTree ? treesOf((path) => paths.has(path)) : oneTree;
  const [before, after] = [first, second].map((walk) => {
    const places = new Map<string, string[]>();
    for (const { path, guid = "" } of walk) {
      const user = owner(path);
      const own = places.get(user);
      if (own === undefined) places.set(user, [path, guid]);
      else own.push(path, guid);
    }
    return new Map([...places].map(([user, own]) => [user, own.join("\0")]));
  });
  const guidsOf = (walk: readonly FoundMailbox[]) => new Set(walk.map(({ guid }) => guid));
  const [inFirst, inSecond] = [guidsOf(first), guidsOf(second)];
  const isUncertain = ({ guid, path }: KnownMailbox): boolean =>
    inFirst.has(guid) || before?.get(owner(path)) !== after?.get(owner(path));
  return known.filter((it) => !inSecond.has(it.guid) && isUncertain(it)).map(({ guid }) => guid);
}
