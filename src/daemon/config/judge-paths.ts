/**
 * What is wrong with the paths of a configuration as a whole: stores in one another, and what is ours in a store, where Dovecot
 * would make a folder of it. Asked of a draft, by the paths' names; which directories they really are is asked when a run begins.
 */

import { assert } from "../../base/assert.js";
import { formatHostPort } from "../../wire/address.js";
import { formatTable, type KeyPath, nodeAt } from "./key-path.js";
import { directoriesAbove, isWithin } from "./path.js";
import { atValue } from "./point-at.js";
import { type ConfigProblem, formatPlace } from "./problem.js";
import type { DraftConfig } from "./schema.js";
import type { Located } from "./toml-locate.js";

interface Claim {
  readonly kind: "store" | "scratch" | "state" | "socket" | "key";
  readonly path: string;
  /** How it is called in a sentence. */
  readonly name: string;
  /** Where it is written; nowhere if it is a default. */
  readonly key: KeyPath;
}

/** Undefined where they do not count: what is not written may stand in a file that was not read. */
type DefaultPlaces = { readonly stateDir: string; readonly control: string } | undefined;

export function judgePaths(draft: DraftConfig, located: Located, defaults: DefaultPlaces): ConfigProblem[] {
  const claims = claimsOf(draft, defaults);
  return [
    ...nestedPairs(claims).flatMap(([first, second]) => judgePair(first, second, located)),
    ...judgeListen(draft, located),
  ];
}

/** Two of which one's path is, or lies inside, the other's; in the order of `claims`. Many stores cost no more than their number. */
function nestedPairs(claims: readonly Claim[]): (readonly [Claim, Claim])[] {
  const indexesByPath = new Map<string, number[]>();
  for (const [index, { path }] of claims.entries()) {
    const known = indexesByPath.get(path);
    if (known === undefined) indexesByPath.set(path, [index]);
    else known.push(index);
  }
  return claims.flatMap((inner, index) =>
    [inner.path, ...directoriesAbove(inner.path)].flatMap((path) =>
      (indexesByPath.get(path) ?? [])
        .filter((other) => path !== inner.path || other < index)
        .map((other) => (other < index ? pairOf(claims, other, index) : pairOf(claims, index, other))),
    ),
  );
}

function pairOf(claims: readonly Claim[], first: number, second: number): readonly [Claim, Claim] {
  const [a, b] = [claims[first], claims[second]];
  assert(a !== undefined && b !== undefined, "both are in the list");
  return [a, b];
}

function claimsOf(draft: DraftConfig, defaults: DefaultPlaces): Claim[] {
  const stateDir = draft.state_dir ?? defaults?.stateDir;
  const control = draft.control ?? defaults?.control;
  const claims: Claim[] = [
    ...(stateDir === undefined ? [] : [claim("state", stateDir, "state_dir", ["state_dir"])]),
    ...(control === undefined ? [] : [claim("socket", control, "control", ["control"])]),
    ...draft.listen.unix.map((path, index) => ({
      ...{ kind: "socket" as const, path, name: "the socket of [listen]", key: ["listen", "unix", index] },
    })),
  ];
  const key = draft.identity?.key;
  if (key !== undefined) claims.push({ kind: "key", path: key, name: "the key", key: ["identity", "key"] });
  for (const [name, { path, scratch }] of Object.entries(draft.store)) {
    const at = ["store", name];
    if (path !== undefined) claims.push({ kind: "store", path, name: formatTable(at), key: [...at, "path"] });
    if (scratch !== undefined)
      claims.push({
        kind: "scratch",
        path: scratch,
        name: `the scratch of ${formatTable(at)}`,
        key: [...at, "scratch"],
      });
  }
  return claims;
}

function claim(kind: Claim["kind"], path: string, name: string, key: KeyPath): Claim {
  return { kind, path, name, key };
}

/** One problem for two paths: told at what is ours rather than at a store, of two alike at the later. */
function judgePair(first: Claim, second: Claim, located: Located): ConfigProblem[] {
  const advice = adviceOn(first, second);
  if (advice === undefined) return [];
  const [ours, other] = second.kind === "store" && first.kind !== "store" ? [first, second] : [second, first];
  const [told, untold] = isWritten(ours, located) ? [ours, other] : [other, ours];
  if (!isWritten(told, located)) return [];
  const at = nodeAt(located, untold.key)?.value?.at;
  const where = at === undefined ? ` (${untold.path} by default)` : ` (${formatPlace(at)})`;
  const isSame = told.path === untold.path;
  const how = isSame ? "is the same as" : isWithin(told.path, untold.path) ? "lies inside" : "holds";
  return [atValue(located, told.key, { why: `it ${how} ${untold.name}${where}`, advice })];
}

/** Undefined where the two get on with each other. */
function adviceOn(first: Claim, second: Claim): string | undefined {
  const isFirstWithin = isWithin(first.path, second.path);
  const isSecondWithin = isWithin(second.path, first.path);
  if (!isFirstWithin && !isSecondWithin) return undefined;
  const kinds = [first.kind, second.kind];
  if (kinds.every((kind) => kind === "store")) return "name two directories of which neither holds the other";
  if (kinds.every((kind) => kind === "scratch")) return "give each store a scratch directory of its own";
  if (kinds.every((kind) => kind === "socket")) return "give each socket a path of its own";
  if (kinds.includes("store")) {
    const [ours, isOursWithin] = first.kind === "store" ? [second, isSecondWithin] : ([first, isFirstWithin] as const);
    const isRefused = isOursWithin || ours.kind === "scratch" || ours.kind === "state";
    return isRefused ? "name a place outside of every store, and not above one" : undefined;
  }
  if (kinds.includes("scratch"))
    return "give scratch a directory that holds nothing else: what is in it is moved and removed";
  return first.path === second.path ? "name two places" : undefined;
}

function isWritten({ key }: Claim, located: Located): boolean {
  return nodeAt(located, key)?.value !== undefined;
}

function judgeListen(draft: DraftConfig, located: Located): ConfigProblem[] {
  const seen = new Set<string>();
  return draft.listen.tls.flatMap((address, index) => {
    const text = formatHostPort(address);
    const isKnown = seen.has(text);
    seen.add(text);
    const words = { why: "that address is in the list already", advice: "keep it once" };
    return isKnown ? [atValue(located, ["listen", "tls", index], words)] : [];
  });
}
