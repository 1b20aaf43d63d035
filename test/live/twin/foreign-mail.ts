/** For tests of mail that only the replica has: what clients were told of UIDs, and waiting for the source's mail beside it. */
import { differences } from "../lab/differences.js";
import { until } from "../lab/until.js";
import { type FolderView, readView, type StoreView } from "../lab/view.js";
import type { Pair } from "./pair.js";

/** Every binding of a UID to a message that was seen on either side. */
export class UidLedger {
  readonly #guidsByUid = new Map<number, Set<string>>();
  #last: FolderView | undefined;

  /** A message without a GUID is none that was seen: IMAP and doveadm were asked at two moments, and mail came between. */
  note(folder: FolderView): void {
    for (const { uid, guid } of folder.messages) {
      if (guid === "") continue;
      const guids = this.#guidsByUid.get(uid) ?? new Set();
      this.#guidsByUid.set(uid, guids.add(guid));
    }
  }

  /** Notes the replica as it is at the end. */
  close(folder: FolderView): void {
    this.note(folder);
    this.#last = folder;
  }

  /**
   * That both sides give one UID to two messages at the same time is the conflict itself. What must not be is that such a
   * UID still names one of them in the end: some client has seen it name the other.
   */
  contradictions(): readonly string[] {
    const inUse = new Set(this.#last?.messages.map(({ uid }) => uid));
    return [...this.#guidsByUid]
      .filter(([uid, guids]) => guids.size > 1 && inUse.has(uid))
      .map(([uid, guids]) => `UID ${uid} named ${[...guids].join(" and ")}, and still names one of them`);
  }
}

export async function inboxOf(
  pair: Pair,
  side: "source" | "replica",
  user: string,
  ledger: UidLedger,
): Promise<FolderView> {
  const inbox = (await readView(pair[side], user)).folders.get("INBOX");
  if (inbox === undefined) throw new Error(`${user} has no INBOX`);
  ledger.note(inbox);
  return inbox;
}

export function newest({ messages }: FolderView): FolderView["messages"][number] {
  const last = messages.at(-1);
  if (last === undefined) throw new Error("the folder is empty");
  return last;
}

/**
 * Waits until the replica shows all that the source has, equal in everything, and beside it exactly the foreign messages
 * (by GUID, or so many). Returns the GUIDs of what only the replica has.
 */
export async function untilSourceIsShown(
  pair: Pair,
  user: string,
  foreign: readonly string[] | `${number} more`,
  ledger: UidLedger,
): Promise<readonly string[]> {
  let extra: readonly string[] = [];
  let lines: readonly string[] = [];
  const shown = async (): Promise<boolean> => {
    const [source, replica] = await Promise.all([readView(pair.source, user), readView(pair.replica, user)]);
    const [atSource, there] = [source.folders.get("INBOX"), replica.folders.get("INBOX")];
    const known = new Set(atSource?.messages.map(({ guid }) => guid));
    if (atSource !== undefined) ledger.note(atSource);
    extra = there?.messages.map(({ guid }) => guid).filter((guid) => !known.has(guid)) ?? [];
    lines = differences(source, without(replica, new Set(extra)), { ignoreUidNext: true, ignoreSubscriptions: true });
    if (there !== undefined) ledger.close(there);
    const complete = typeof foreign === "string" ? `${extra.length} more` === foreign : isSame(extra, foreign);
    return complete && lines.length === 0 && !known.has("") && !extra.includes("");
  };
  const detail = (): string => `only on the replica: ${extra.join(" ")}; differences: ${lines.join("\n")}`;
  await until(`the source's mail and the foreign mail of ${user}`, shown, { detail, pollMs: 100 });
  return extra;
}

function without(view: StoreView, guids: ReadonlySet<string>): StoreView {
  const folders = new Map(
    [...view.folders].map(([path, folder]) => {
      const messages = folder.messages.filter(({ guid }) => !guids.has(guid));
      return [path, { ...folder, messages }] as const;
    }),
  );
  return { ...view, folders };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join("\n") === [...b].sort().join("\n");
}
