/**
 * What may be asked of a running daemon (control/daemon-control.ts), carried out.
 *
 * INVARIANT: what is asked for lasts: a pause, a comparison or a rejection that goes is durable before it is said to be done, whether the
 * replica is connected or not.
 */
import { systemClock } from "../../base/clock.js";
import type { RawPath } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import type { MailboxRow, RejectionRow } from "../../log/state-types.js";
import type {
  DaemonControl,
  FetchNowAnswer,
  ReplicaTarget,
  ResyncAnswer,
  ResyncQuery,
  Targets,
  VerifiedReplica,
  VerifyWish,
} from "../control/daemon-control.js";
import { type ExplainedStore, type ExplainedStores, type ExplainQuery, explainUid } from "../control/explain.js";
import { findMailboxes, type MailboxWish, quote } from "../control/find-mailbox.js";
import { missingMailbox } from "../control/former-mailbox.js";
import { rejectionsMeant } from "../control/rejections-meant.js";
import { controlError } from "../control-errors.js";
import { daemonError } from "../errors.js";
import { wordsOfReplicas } from "../replica-words.js";
import type { ReplicaScrub } from "../scrub/replica-scrub.js";
import { deletionsOf } from "./asked-deletions.js";
import { verifyReplica } from "./asked-verify.js";
import type { Daemon, Kept } from "./daemon.js";
import { isRefused } from "./daemon-hints.js";
import { planReplicas } from "./planned-resync.js";
import { pausedKey, rightsKey } from "./replica-notes.js";
import type { ReplicaRunner } from "./replica-runner.js";
import type { SourceStore } from "./source-store.js";
import { statusOf } from "./status-of.js";
import { rightsNoted, wordsOfLimit } from "./user-rights.js";

export interface ControlPorts {
  readonly daemon: Daemon;
  readonly startedMs: number;
  readonly nowMs: () => number;
  readonly reload: () => Promise<{ readonly changes: readonly string[] }>;
}

export function controlOf({ daemon, startedMs, nowMs, reload }: ControlPorts): DaemonControl {
  const numbers: Numbers = { leastLsn: 0 };
  return {
    status: () => statusOf({ daemon, startedMs, nowMs: nowMs() }),
    async pause(target) {
      const { store, runner } = served(daemon, target);
      const sinceMs = runner.pausedSinceMs ?? nowMs();
      await store.side.writer.setMeta(pausedKey(target.replica), String(sinceMs));
      runner.pause(sinceMs);
    },
    async resume(target) {
      const { store, runner } = served(daemon, target);
      await store.side.writer.setMeta(pausedKey(target.replica), "");
      runner.resume();
    },
    fetchNow: (targets) => fetchNow(daemon, targets),
    async resync(query, signal) {
      refuseReplica(daemon, query);
      const chosen = chosenOf(daemon, query);
      if (query.clearsPlace === true) refuseToClear(chosen, query);
      const done = { mailboxes: 0, replicas: 0, limited: [] as Limited[] };
      const distinct = new Set<string>();
      for (const each of chosen) {
        const { guids, limited } = await resyncOne(each, query, { nowMs: nowMs(), numbers });
        done.mailboxes += guids.length;
        done.replicas += guids.length === 0 ? 0 : 1;
        for (const guid of guids) distinct.add(`${each.name}/${guid}`); // two stores can have one of the same GUID.
        done.limited.push(...limited);
      }
      const isNamed = query.user !== undefined || query.mailbox !== undefined;
      if (done.mailboxes + done.limited.length === 0 && isNamed) await refuseMissing(chosen, query, signal);
      const isToBe = ({ name, runner }: Served) => !done.limited.some((it) => it.name === `${name}/${runner.name}`);
      const toBe = chosen.filter(isToBe);
      return { ...done, ofSource: distinct.size, paused: pausedOf(toBe), away: awayOf(toBe) };
    },
    verify: (query, signal) => verify(daemon, query, signal),
    async retry(query, signal) {
      const { runner, rows } = await refusedOf(daemon, query, signal);
      for (const { mailbox } of rows) runner.agent?.retry(mailbox);
      if (runner.agent === undefined && rows.length > 0) runner.fetchNow();
      return { ...counted(rows), paused: runner.isPaused };
    },
    async skip(query, signal) {
      const { store, runner, rows } = await refusedOf(daemon, query, signal);
      const { reader, writer } = store.side;
      const refused = rows.filter(({ code }) => isRefused(code)); // what is to be compared stays so.
      const answer = { ...counted(rows), paused: runner.isPaused };
      if (refused.length === 0) return answer; // no reason to end a link.
      // INVARIANT: the old link has ended first. Its agent would write again what it is about to mend, and the next one refuse it again.
      // INVARIANT: in the place of a row comes the wish to compare its mailbox, in one commit: the cursor may have passed what was refused.
      await runner.beginAgainAfter(async () => {
        for (const { mailbox: guid, path } of refused) {
          await writer.putRejection(askedFor({ reader, replica: query.replica, numbers }, { guid, path }, nowMs()));
          runner.asked.add(guid);
        }
      }, "what it refused is skipped");
      return answer;
    },
    ...{ ...deletionsOf(daemon), ...planningOf(daemon) },
    explain: (query, signal) => explainUid(explainedStores(daemon, query), query, signal),
    reload,
  };
}

function planningOf(daemon: Daemon): Pick<DaemonControl, "planResync"> {
  return {
    async planResync(query, signal) {
      refuseReplica(daemon, query);
      const chosen = chosenOf(daemon, query);
      const isNamed = query.user !== undefined || query.mailbox !== undefined;
      if (isNamed) await refuseMissing(chosen, query, signal);
      return planReplicas(chosen, query, signal);
    },
  };
}

async function verify(
  daemon: Daemon,
  { settleMs, sample, repair, trustSource, acceptsUidValidity, ...query }: Targets & VerifyWish,
  signal: AbortSignal,
): Promise<readonly VerifiedReplica[]> {
  refuseReplica(daemon, query);
  const verified: VerifiedReplica[] = [];
  const wish = { settleMs, sample, repair, trustSource, acceptsUidValidity, clock: systemClock };
  for (const each of chosenOf(daemon, query)) {
    verified.push(await verifyReplica(each, wish, signal));
    if (repair === true) each.scrub?.lookAgain();
  }
  return verified;
}

interface Served {
  readonly name: string;
  readonly store: SourceStore;
  readonly runner: ReplicaRunner;
  readonly scrub: ReplicaScrub | undefined;
}

/** Throws: store-not-ready. */
function served(daemon: Daemon, { store: name, replica }: ReplicaTarget): Served {
  const found = allServed(daemon).find((each) => each.name === name && each.runner.name === replica);
  if (found !== undefined) return found;
  throw daemonError("store-not-ready", `looking for the replica ${name}/${replica}: the store is not open now`);
}

function allServed(daemon: Daemon): readonly Served[] {
  return [...daemon.kept].flatMap(([name, kept]) => {
    const store = kept.kind === "source" ? kept.keeper.store : undefined;
    if (kept.kind !== "source" || store === undefined) return [];
    return [...kept.keeper.replicas.keys()].flatMap((replica) => {
      const runner = kept.keeper.runner(replica);
      return runner === undefined ? [] : [{ name, store, runner, scrub: kept.keeper.scrub(replica) }];
    });
  });
}

function chosenOf(daemon: Daemon, { store, replica }: Targets): readonly Served[] {
  return allServed(daemon).filter(
    (each) => (store === undefined || each.name === store) && (replica === undefined || each.runner.name === replica),
  );
}

/** Who compares is the source. Throws: not-the-source, where nothing but replicas is meant. */
function refuseReplica(daemon: Daemon, { store }: Targets): void {
  const meant = [...daemon.kept].filter(([name]) => store === undefined || name === store);
  const names = meant.map(([name]) => name).join(", ");
  if (meant.length > 0 && meant.every(([, { kind }]) => kind === "replica"))
    throw controlError("not-the-source", `asking for a comparison: of ${names} this host has the replica`);
}

function awayOf(chosen: readonly Served[]): readonly string[] {
  const away = chosen.filter(({ runner }) => !runner.isPaused && runner.agent === undefined);
  return away.map(({ name, runner }) => `${name}/${runner.name}`);
}

function pausedOf(chosen: readonly Served[]): readonly string[] {
  return chosen.filter(({ runner }) => runner.isPaused).map(({ name, runner }) => `${name}/${runner.name}`);
}

/** What is paused gets nothing until it is resumed, and a source that dials comes when it likes: that has to be known. */
function fetchNow(daemon: Daemon, targets: Targets): FetchNowAnswer {
  const chosen = chosenOf(daemon, targets);
  const going = chosen.filter(({ runner }) => !runner.isPaused);
  const connected = going.filter(({ runner }) => runner.agent !== undefined);
  const runners = going.map(({ runner }) => runner).filter((runner) => !isAwaited(runner));
  for (const runner of runners) runner.fetchNow(); // one that is connected too: on demand, it may be about to end its link.
  const own = ownReplicas(daemon, targets);
  const ownConnected = own.filter(({ kept }) => kept.store.isConnected);
  const dialled = own.flatMap(({ kept }) => (kept.store.isConnected ? [] : (kept.dialled ?? [])));
  for (const each of dialled) each.dialNow();
  const awaited = own.filter(({ kept }) => kept.dialled === undefined);
  return {
    ...{ asked: runners.length - connected.length + dialled.length, paused: pausedOf(chosen) },
    connected: [
      ...connected.map(({ name, runner }) => `${name}/${runner.name}`),
      ...ownConnected.map(({ name }) => name),
    ],
    beyond: [
      ...going.flatMap(({ name, runner }) =>
        isAwaited(runner) ? [{ name: `${name}/${runner.name}`, words: DIALS_IN }] : [],
      ),
      ...notServed(daemon, targets).map((name) => ({
        name,
        words: "its store is not open: `mailtwin status` says why",
      })),
      ...awaited.flatMap(({ name, kept }) => (kept.store.isConnected ? [] : [{ name, words: wordsOfAwaited(kept) }])),
    ],
  };
}

/** It comes when it likes. */
function isAwaited({ replica, agent }: ReplicaRunner): boolean {
  return replica.to === undefined && agent === undefined;
}

const DIALS_IN =
  "it dials this host, and is not connected, so it cannot be asked: run `mailtwin fetch-now` on its host";

type KeptReplica = Extract<Kept, { kind: "replica" }>;

/** Stores of this host that are replicas, and are meant. */
function ownReplicas(daemon: Daemon, { store, replica }: Targets): readonly { name: string; kept: KeptReplica }[] {
  if (replica !== undefined) return [];
  return [...daemon.kept].flatMap(([name, kept]) =>
    kept.kind === "replica" && (store === undefined || store === name) ? [{ name, kept }] : [],
  );
}

/** Replicas that are meant, of sources that are not open: STORE/REPLICA. */
function notServed(daemon: Daemon, targets: Targets): readonly string[] {
  const served = new Set(allServed(daemon).map(({ name, runner }) => `${name}/${runner.name}`));
  return [...daemon.kept].flatMap(([name, kept]) => {
    if (kept.kind !== "source" || (targets.store !== undefined && targets.store !== name)) return [];
    const replicas = [...kept.keeper.replicas.keys()];
    const meant = replicas.filter((replica) => targets.replica === undefined || targets.replica === replica);
    return meant.map((replica) => `${name}/${replica}`).filter((each) => !served.has(each));
  });
}

function wordsOfAwaited({ config: { role } }: KeptReplica): string {
  const peer = (role.kind === "replica" ? role.peer : undefined) ?? "its source";
  return `${peer} dials this host, and is not connected, so it cannot be asked from here: run \`mailtwin fetch-now\` on the host of ${peer}, or \`mailtwin resume\` if the replica is paused there (\`mailtwin status\` there says so)`;
}

/** Of all rows that were asked for since the daemon began. */
interface Numbers {
  leastLsn: number;
}

/** Of a store without replicas too. Throws: target-unknown, the abort reason. */
async function refuseMissing(chosen: readonly Served[], query: MailboxWish, signal: AbortSignal): Promise<void> {
  const readers = [...new Set(chosen.map(({ store }) => store.side.reader))];
  const known = readers.flatMap((reader) => reader.mailboxes());
  if (findMailboxes(known, query).length === 0) throw await missingMailbox(readers, query, { signal });
}

type Limited = ResyncAnswer["limited"][number];

/** Mail is moved in one place, which a person has named, and not when nobody thinks of it any more. Throws: target-ambiguous, target-away. */
function refuseToClear(chosen: readonly Served[], wish: MailboxWish): void {
  const isMeant = ({ store, runner }: Served) =>
    findMailboxes(store.side.reader.mailboxes(), wish).some(({ path }) => runner.mayHave(path));
  const meant = chosen.filter(isMeant);
  const names = meant.map(({ name, runner }) => `${name}/${runner.name}`).join(", ");
  const doing = "clearing the place of a mailbox";
  if (meant.length > 1) throw controlError("target-ambiguous", `${doing}: ${names} have it; name one with --replica`);
  if (meant.some(({ runner }) => runner.agent === undefined))
    throw controlError("target-away", `${doing}: ${names} is not connected`);
}

/** Returns which mailboxes will be compared: of those that the replica may have. */
async function resyncOne(
  { name: storeName, store, runner }: Served,
  wish: Pick<ResyncQuery, "user" | "mailbox" | "clearsPlace">,
  { nowMs, numbers }: { readonly nowMs: number; readonly numbers: Numbers },
): Promise<Pick<ResyncAnswer, "limited"> & { readonly guids: readonly MailboxRow["guid"][] }> {
  const { reader, writer } = store.side;
  const meant = findMailboxes(reader.mailboxes(), wish);
  const rows = meant.filter(({ path }) => runner.mayHave(path));
  const guids = rows.map(({ guid }) => guid);
  if (wish.user === undefined && wish.mailbox === undefined) {
    await runner.compareAll();
    return { guids, limited: [] };
  }
  for (const row of rows)
    await runner.withAgent(async (agent) => {
      const isNoted = (await agent?.resync(row.guid, { clearsPlace: wish.clearsPlace === true })) === true;
      if (!isNoted) await writer.putRejection(askedFor({ reader, replica: runner.name, numbers }, row, nowMs));
      runner.asked.add(row.guid);
    });
  const left = { name: `${storeName}/${runner.name}`, mailboxes: meant.length - rows.length };
  return { guids, limited: left.mailboxes === 0 ? [] : [{ ...left, why: wordsOfLimit(runner.replica.peer) }] };
}

/**
 * What the next link finds in the rejection log and compares: each has a number of its own, below all transactions. An even one,
 * lower than any that was given: a row of the same number that an agent, or another command, writes meanwhile would replace it.
 */
function askedFor(
  { reader, replica, numbers }: { readonly reader: StateReader; readonly replica: string; readonly numbers: Numbers },
  { guid: mailbox, path }: Pick<MailboxRow, "guid" | "path">,
  nowMs: number,
): RejectionRow {
  const least = Math.min(numbers.leastLsn, ...reader.rejections(replica).map((row) => row.lsn));
  const lsn = least - (least % 2 === 0 ? 2 : 1);
  numbers.leastLsn = lsn;
  return {
    ...{ replica, lsn, mailbox, path, code: "resync-asked", message: "it was asked for by hand" },
    ...{ attempts: 0, firstMs: nowMs, lastMs: nowMs },
  };
}

/** The log of rejections has wishes to compare a mailbox, too: nobody has refused those. */
function counted(rows: readonly RejectionRow[]): { readonly rejects: number; readonly toCompare: number } {
  const rejects = rows.filter(({ code }) => isRefused(code)).length;
  return { rejects, toCompare: rows.length - rejects };
}

/** Throws: store-not-ready, not-rejected, target-unknown, the abort reason. */
async function refusedOf(
  daemon: Daemon,
  query: ReplicaTarget & MailboxWish,
  signal: AbortSignal,
): Promise<Served & { readonly rows: readonly RejectionRow[] }> {
  const one = served(daemon, query);
  const { reader } = one.store.side;
  const all = reader.rejections(query.replica);
  const rows = rejectionsMeant(all, reader.mailboxes(), query);
  if (rows.length === 0 && (query.user !== undefined || query.mailbox !== undefined))
    throw await nothingRejected({ reader, rows: all }, query, signal);
  return { ...one, rows };
}

/** That name is known, and nothing of it is rejected; or it is not known. */
async function nothingRejected(
  { reader, rows }: { readonly reader: StateReader; readonly rows: readonly RejectionRow[] },
  query: ReplicaTarget & MailboxWish,
  signal: AbortSignal,
): Promise<Error> {
  const { store, replica, user, mailbox } = query;
  const known = reader.mailboxes();
  const isKnown = findMailboxes(known, query).length > 0 || known.some(({ guid }) => guid === mailbox?.toLowerCase());
  if (!isKnown) return missingMailbox([reader], query, { alsoKnown: rows, signal });
  const what = [
    ...(mailbox === undefined ? [] : [`mailbox ${quote(mailbox)}`]),
    ...(user === undefined ? [] : [`user ${quote(user)}`]),
  ].join(" of ");
  return daemonError(
    "not-rejected",
    `looking for what ${store}/${replica} has refused of ${what}: it refuses nothing of that`,
  );
}

/** Throws: not-the-source, store-not-ready, where none of the stores that are meant can be asked. */
function explainedStores(daemon: Daemon, { store: asked }: ExplainQuery): ExplainedStores {
  const meant = [...daemon.kept].filter(([name]) => asked === undefined || name === asked);
  const stores = meant.flatMap(([, kept]) => explainedStoreOf(kept));
  const replicas = meant.flatMap(([, { config }]) => wordsOfReplicas([config]));
  const unopened = meant.flatMap(([name, { kind }]) =>
    kind === "source" && !stores.some((store) => store.name === name) ? [name] : [],
  );
  const doing = "looking for a message";
  if (stores.length === 0 && unopened.length > 0)
    throw daemonError("store-not-ready", `${doing}: not open now: ${unopened.join(", ")}`);
  if (stores.length === 0 && replicas.length > 0)
    throw controlError(
      "not-the-source",
      `${doing}: what is asked for is known where the log is; ${replicas.join("; ")}`,
    );
  const unasked = [...replicas, ...(unopened.length === 0 ? [] : [`not open now: ${unopened.join(", ")}`])];
  return { stores, unasked: unasked.map((words) => `; ${words}`).join("") };
}

function explainedStoreOf(kept: Kept): readonly ExplainedStore[] {
  const reader = kept.kind === "source" ? kept.keeper.store?.side.reader : undefined;
  if (kept.kind !== "source" || reader === undefined) return [];
  const { keeper, config } = kept;
  const ackedLsn = (replica: string) => keeper.runner(replica)?.ackedLsn ?? reader.cursor(replica) ?? 0;
  const limitOf = (name: string, path: RawPath) => {
    const mayHave = keeper.runner(name)?.mayHave(path) ?? rightsNoted(reader.meta(rightsKey(name)))(path);
    return mayHave ? undefined : wordsOfLimit(keeper.replicas.get(name)?.peer);
  };
  return [{ name: config.name, reader, replicas: [...keeper.replicas.keys()], ackedLsn, limitOf }];
}
