/** What a run would capture: found by a capture worker that records nothing. For dry runs. */
import { hostname } from "node:os";
import { systemClock } from "../base/clock.js";
import type { Disposer } from "../base/disposal.js";
import { type RawPath, rawFromText } from "../base/raw-name.js";
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { BrakeLimits } from "../capture/brake.js";
import type { BrakeReport, CaptureMethods, CaptureProblem } from "../capture/capture-types.js";
import { captureError, SOURCE_EMPTIED } from "../capture/errors.js";
import { planStructure } from "../capture/plan-structure.js";
import type { CaptureCommit, MailboxRow } from "../log/state-types.js";
import type { SourcePlaces } from "./half-places.js";

export type DryWorker = WorkerClient<CaptureMethods<CaptureCommit>>;

/** `statePath`: of the source's database; undefined: nothing was captured yet. `brake`: undefined: no deletion is held back. */
export async function openDryWorker(
  { store, site: storeSite }: Pick<SourcePlaces, "store" | "site">,
  { statePath, brake }: { readonly statePath: string | undefined; readonly brake?: BrakeLimits | undefined },
  owner: Disposer,
): Promise<DryWorker> {
  const url = new URL("../capture/capture-worker.js", import.meta.url);
  const worker: DryWorker = owner.adopt(startWorker<CaptureMethods<CaptureCommit>>({ url, name: "dry-run" }));
  const place = { storeRoot: rawFromText(store), storeSite, statePath };
  await worker.call("open", { ...place, hostname: hostname(), pid: process.pid, brake });
  return worker;
}

interface Telling {
  /** What would be recorded, in order. */
  readonly onCommit: (commit: CaptureCommit) => void;
  readonly tellUnnumbered: (path: RawPath, messages: number) => void;
}

export interface DryReading {
  /** What keeps mailboxes from being read. */
  readonly problems: readonly CaptureProblem[];
  /** What would be held back; undefined: nothing. */
  readonly brake: BrakeReport | undefined;
}

/** Reads all of the source that `rows` do not cover. Throws: source-emptied. */
export async function readSource(
  worker: DryWorker,
  rows: readonly MailboxRow[],
  { onCommit, tellUnnumbered }: Telling,
  signal: AbortSignal,
): Promise<DryReading> {
  const { mailboxes, problems: unread, brake: atFirst } = await worker.call("discover", { twice: false });
  const plan = planStructure(
    mailboxes,
    rows,
    unread.map((problem) => problem.path),
  );
  if (plan.emptied) throw captureError("source-emptied", SOURCE_EMPTIED);
  const problems = [...unread];
  let brake = atFirst;
  for (const { path } of plan.examine) {
    for (let more = true; more; ) {
      signal.throwIfAborted();
      const request = { path, hints: { names: [], uidlist: false }, full: true, nowMs: systemClock.nowMs() };
      const outcome = await worker.call("examine", request);
      ({ brake } = outcome);
      if (outcome.kind === "problem") problems.push(outcome.problem);
      if (outcome.kind === "sealed") onCommit(outcome.commit);
      more = "more" in outcome && outcome.more; // also while a large mailbox is still being listed.
      const { count, refused } = "unnumbered" in outcome ? outcome.unnumbered : { count: 0, refused: undefined };
      if (!more && refused !== undefined) problems.push(refused);
      else if (!more && count > 0) tellUnnumbered(path, count);
    }
  }
  const messagesByGuid = new Map(rows.map(({ guid, messages }) => [guid, messages]));
  const messagesOf = ({ guid }: Pick<MailboxRow, "guid">): number => messagesByGuid.get(guid) ?? 0;
  let ahead = plan.missing.reduce((sum, row) => sum + messagesOf(row), 0);
  for (const row of plan.missing) {
    ahead -= messagesOf(row);
    const outcome = await worker.call("vanished", { guid: row.guid, ahead, nowMs: systemClock.nowMs() });
    ({ brake } = outcome);
    if (outcome.kind === "sealed") onCommit(outcome.commit);
  }
  return { problems, brake };
}
