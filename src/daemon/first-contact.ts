/**
 * What happens before the first transaction goes to a destination that mailtwin has never written to: mail that only the
 * destination has is never mixed in or removed without being asked.
 */
import type { Asker } from "../agent/asker.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { CaptureMethods } from "../capture/capture-types.js";
import type { Capturer } from "../capture/capturer.js";
import type { MailboxRow } from "../log/state-types.js";
import {
  type ContactFinding,
  compareAtFirstContact,
  type ReplicaMailbox,
  type SourceMailbox,
} from "../resync/first-contact.js";
import type { Answer, Ask, SurveyedMailbox } from "../wire/messages.js";
import { daemonError } from "./errors.js";

export interface FirstContactPorts {
  readonly asker: Asker;
  readonly worker: WorkerClient<CaptureMethods>;
  readonly capturer: Capturer;
}

export type ForeignChoice = "refuse" | "keep" | "limbo";

const STATES_MAX = 20_000;
const BASES_MAX = 5_000;
const NAMED_MAX = 5;

/** Which mailboxes stand at the destination. */
export async function surveyDestination(asker: Asker, signal: AbortSignal): Promise<readonly SurveyedMailbox[]> {
  return (await ask(asker, { kind: "survey" }, "survey", signal)).mailboxes;
}

/**
 * Call it when the source is captured. Mail that is kept in a mailbox that takes another identity is set aside; put it back
 * with `restoreAside` once the source's mail is there. Throws: destination-has-mail, having changed nothing.
 */
export async function meetDestination(
  ports: FirstContactPorts,
  standing: readonly SurveyedMailbox[],
  choice: ForeignChoice,
  signal: AbortSignal,
): Promise<void> {
  const replica: ReplicaMailbox[] = [];
  for (const { path, guid, uidValidity } of standing) {
    const bases = await inventoryBases(ports.asker, path, signal);
    if (bases.length > 0) replica.push({ path, guid, uidValidity, bases });
  }
  const sources = await readSources(ports, replica, signal);
  const findings = compareAtFirstContact(replica, (mailbox) => sourceOf(sources, mailbox));
  const foreign = findings.filter((finding) => finding.foreign.length > 0);
  if (foreign.length > 0 && choice === "refuse") throw refusal(foreign);
  for (const finding of findings) {
    if (choice === "limbo") await move(ports.asker, finding.path, finding.foreign, "limbo", signal);
    else if (finding.foreign.length > 0 && hasOtherIdentity(sources, replica, finding.path)) {
      await move(ports.asker, finding.path, finding.foreign, "aside", signal);
    }
    await move(ports.asker, finding.path, finding.resent, "limbo", signal);
  }
}

/** Puts back all that was set aside of these mailboxes, now or before a crash, as new mail with UIDs above the source's. */
export async function restoreAside(asker: Asker, paths: readonly RawPath[], signal: AbortSignal): Promise<void> {
  for (const path of paths)
    await ask(asker, { kind: "foreign", path, bases: [], action: "restore" }, "foreign", signal);
}

async function ask<K extends Answer["kind"]>(
  asker: Asker,
  question: Ask,
  kind: K,
  signal: AbortSignal,
): Promise<Extract<Answer, { kind: K }>> {
  const answer = await asker.ask(question, signal);
  if (answer.kind !== kind) throw new TypeError(`the replica answered ${answer.kind} to ${question.kind}`);
  return answer as Extract<Answer, { kind: K }>;
}

async function inventoryBases(asker: Asker, path: RawPath, signal: AbortSignal): Promise<readonly string[]> {
  const bases: string[] = [];
  let afterUid = 0;
  for (;;) {
    const page = await ask(asker, { kind: "inventory", path, afterUid }, "inventory", signal);
    for (const { base, uid } of page.messages) {
      bases.push(base);
      afterUid = Math.max(afterUid, uid);
    }
    if (!page.more) return bases;
  }
}

/** Keyed by GUID and by path: one without a GUID yet is looked up by its path only ("" would be the root's). */
function sourceOf(
  sources: ReadonlyMap<string, SourceMailbox>,
  { guid, path }: Pick<ReplicaMailbox, "guid" | "path">,
): SourceMailbox | undefined {
  return (guid === "" ? undefined : sources.get(guid)) ?? sources.get(path);
}

/** By GUID and by path. */
async function readSources(
  { worker, capturer }: FirstContactPorts,
  replica: readonly ReplicaMailbox[],
  signal: AbortSignal,
): Promise<Map<string, SourceMailbox>> {
  const guids = new Set(replica.map((mailbox) => mailbox.guid));
  const paths = new Set(replica.map((mailbox) => mailbox.path));
  const found = new Map<string, SourceMailbox>();
  for (const row of capturer.rows) {
    if (!guids.has(row.guid) && !paths.has(row.path)) continue;
    const mailbox = await readSource(worker, row, signal);
    found.set(row.guid, mailbox);
    if (!found.has(row.path)) found.set(row.path, mailbox);
  }
  return found;
}

async function readSource(
  worker: WorkerClient<CaptureMethods>,
  row: MailboxRow,
  signal: AbortSignal,
): Promise<SourceMailbox> {
  const bases = new Set<string>();
  let afterUid: number | undefined = 0;
  while (afterUid !== undefined) {
    signal.throwIfAborted();
    const page: { readonly states: readonly { readonly base: string }[]; readonly nextAfterUid?: number } =
      await worker.call("states", { guid: row.guid, afterUid, max: STATES_MAX });
    for (const { base } of page.states) bases.add(base);
    afterUid = page.nextAfterUid;
  }
  return { path: row.path, guid: row.guid, uidValidity: row.uidValidity, bases };
}

/** The source has this mailbox, but under another GUID or UIDVALIDITY: what stands there gives way to it. */
function hasOtherIdentity(
  sources: ReadonlyMap<string, SourceMailbox>,
  replica: readonly ReplicaMailbox[],
  path: RawPath,
): boolean {
  const mailbox = replica.find((it) => it.path === path);
  const source = mailbox === undefined ? undefined : sourceOf(sources, mailbox);
  return source !== undefined && (source.guid !== mailbox?.guid || source.uidValidity !== mailbox.uidValidity);
}

async function move(
  asker: Asker,
  path: RawPath,
  bases: readonly string[],
  action: "limbo" | "aside",
  signal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < bases.length; at += BASES_MAX) {
    await ask(asker, { kind: "foreign", path, bases: bases.slice(at, at + BASES_MAX), action }, "foreign", signal);
  }
}

function refusal(foreign: readonly ContactFinding[]): Error {
  const total = foreign.reduce((sum, finding) => sum + finding.foreign.length, 0);
  const named = foreign
    .slice(0, NAMED_MAX)
    .map(({ path, foreign: bases }) => `${path === "" ? "INBOX" : displayRaw(path)} (${formatCount(bases.length)})`);
  const more = foreign.length > NAMED_MAX ? ` and ${foreign.length - NAMED_MAX} more mailboxes` : "";
  return daemonError(
    "destination-has-mail",
    `twinning for the first time: the destination holds ${formatCount(total)} messages that the source does not have, in ${named.join(", ")}${more}`,
  );
}
