/**
 * A disk on which something happens while a directory is listed: what was renamed meanwhile may be seen under its old name,
 * its new name, both, or not at all, as with the real call.
 */
import type { Dir, Disk, NameWalk } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";

export interface BusyDisk {
  readonly disk: Disk;
  /** Runs during the next listing of `cur/`. `keep` says of each name that came or went whether the listing has it. */
  interrupt(change: () => void, keep: (name: string) => boolean): void;
  /** Runs after the next look at a file in `cur/`. */
  afterStat(change: () => void): void;
  /** Runs after the next try to open a file in `cur/`. */
  afterOpen(change: () => void): void;
}

function walkOver(names: string[]): NameWalk {
  return { next: (countMax) => names.splice(0, countMax), [Symbol.dispose]: () => undefined };
}

export function openBusyDisk(): BusyDisk {
  const inner = openNodeDisk();
  let pending: { change: () => void; keep: (name: string) => boolean } | undefined;
  const after = new Map<"stat" | "openFile", () => void>();
  const originals = new WeakMap<Dir, Dir>();
  const wrap = (dir: Dir): Dir => {
    const list = (): string[] => {
      const before = dir.list();
      if (pending === undefined || !dir.shownPath.endsWith("/cur")) return before;
      const { change, keep } = pending;
      pending = undefined;
      change();
      const after = dir.list();
      const both = new Set(before.filter((name) => after.includes(name)));
      return [...new Set([...before, ...after])].filter((name) => both.has(name) || keep(name));
    };
    const wrapped: Dir = new Proxy(dir, {
      get(target, property) {
        if (property === "list") return list;
        if ((property === "stat" || property === "openFile") && target.shownPath.endsWith("/cur")) {
          return (name: Parameters<Dir["stat"]>[0]) => {
            const found = target[property](name);
            const change = after.get(property);
            after.delete(property);
            change?.();
            return found;
          };
        }
        if (property === "walk") return () => walkOver(list());
        if (property === "openDir") {
          return (name: Parameters<Dir["openDir"]>[0]) => {
            const child = target.openDir(name);
            return child === undefined ? undefined : wrap(child);
          };
        }
        if (property === "rename" || property === "link") {
          return (name: string, to: Dir, toName: string) => target[property](name, originals.get(to) ?? to, toName);
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    originals.set(wrapped, dir);
    return wrapped;
  };
  return {
    disk: {
      openRoot: (path) => {
        const root = inner.openRoot(path);
        return root === undefined ? undefined : wrap(root);
      },
    },
    interrupt: (change, keep) => {
      pending = { change, keep };
    },
    afterStat: (change) => void after.set("stat", change),
    afterOpen: (change) => void after.set("openFile", change),
  };
}
