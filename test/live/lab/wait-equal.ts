/**
 * Waits until a replica shows the same mail as its source, and says what differs when it does not come to that.
 *
 * Cheap questions first: STATUS of all folders, then flags and GUIDs without bodies, and bodies once at the end.
 * INVARIANT: no login to a replica before its Maildir exists on disk. Dovecot would create an INBOX there with a
 * UIDVALIDITY of its own, and the test would have made the difference that it then finds.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CompareOptions, differences } from "./differences.js";
import type { DovecotSite } from "./dovecot.js";
import { bytesOf } from "./files.js";
import { readStatus, readView, type StoreView } from "./view.js";

export interface WaitOptions extends CompareOptions {
  /** Default 30 s. */
  readonly deadlineMs?: number;
  /** "hash" (default) compares every body at the end. */
  readonly bodies?: false | "hash";
}

const POLL_MS_MIN = 50;
const POLL_MS_MAX = 500;

/** Returns the replica's views by user when all are equal; throws with the differences when the deadline passes. */
export async function waitEqual(
  source: DovecotSite,
  replica: DovecotSite,
  users: string | readonly string[],
  options: WaitOptions = {},
): Promise<ReadonlyMap<string, StoreView>> {
  const { deadlineMs = 60_000 } = options;
  const start = performance.now();
  const equal = new Map<string, StoreView>();
  for (const user of typeof users === "string" ? [users] : users) {
    for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(pollMs * 1.5, POLL_MS_MAX)) {
      const late = performance.now() - start > deadlineMs;
      const found = await compareOnce({ source, replica, user, options, thorough: late });
      if (found.kind === "equal") {
        equal.set(user, found.view);
        break;
      }
      if (late) throw new Error(`not equal after ${deadlineMs} ms:\n${found.lines.join("\n")}`);
      await sleep(pollMs);
    }
  }
  return equal;
}

/** Throws with the differences unless the two sides show the same now. */
export async function expectEqual(
  source: DovecotSite,
  replica: DovecotSite,
  users: string | readonly string[],
  options: WaitOptions = {},
): Promise<ReadonlyMap<string, StoreView>> {
  return await waitEqual(source, replica, users, { ...options, deadlineMs: 0 });
}

interface Comparison {
  readonly source: DovecotSite;
  readonly replica: DovecotSite;
  readonly user: string;
  readonly options: WaitOptions;
  /** Goes on to the views even when the STATUS differs, to find words for the difference. */
  readonly thorough: boolean;
}

type Compared =
  | { readonly kind: "equal"; readonly view: StoreView }
  | { readonly kind: "different"; readonly lines: readonly string[] };

async function compareOnce({ source, replica, user, options, thorough }: Comparison): Promise<Compared> {
  if (!existsSync(bytesOf(join(replica.mailRoot(user), "dovecot-uidlist")))) {
    return { kind: "different", lines: [`${user}: ${replica.name} has no INBOX on disk yet`] };
  }
  if (!thorough) {
    const [sourceStatus, replicaStatus] = await Promise.all([readStatus(source, user), readStatus(replica, user)]);
    const comparable = (status: string): string => maskStatus(status, options);
    if (comparable(sourceStatus) !== comparable(replicaStatus)) return { kind: "different", lines: ["STATUS differs"] };
  }
  const views = (bodies: false | "hash") =>
    Promise.all([readView(source, user, { bodies }), readView(replica, user, { bodies })]);
  let [sourceView, replicaView] = await views(false);
  let lines = differences(sourceView, replicaView, options);
  if (lines.length === 0 && options.bodies !== false) {
    [sourceView, replicaView] = await views("hash");
    lines = differences(sourceView, replicaView, options);
  }
  return lines.length === 0 ? { kind: "equal", view: replicaView } : { kind: "different", lines };
}

function maskStatus(status: string, options: WaitOptions): string {
  const withoutNext = options.ignoreUidNext === true ? status.replace(/ uidnext=\S+/g, "") : status;
  return options.ignoreSubscriptions === true ? withoutNext.replace(/ sub=\S+/g, "") : withoutNext;
}
