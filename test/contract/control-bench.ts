/** A control server with a daemon behind it that notes what it was asked, and raw clients. */
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/base/clock.js";
import type { ControlPlace } from "../../src/daemon/control/control-client.js";
import { openControlServer } from "../../src/daemon/control/control-server.js";
import type { DaemonControl } from "../../src/daemon/control/daemon-control.js";
import type { PlanAnswer } from "../../src/daemon/control/plan-answer.js";
import { replica, replicaStore, source, status } from "../unit/daemon/control/statuses.js";

export const STATUS = status(
  source("mail", { replicas: [replica("b"), replica("c")] }),
  source("lists", { replicas: [replica("b")] }),
  replicaStore("twin"),
);

/** `asked` gets the name of each method that was called, and its argument. */
export function noting(asked: unknown[], more: Partial<DaemonControl> = {}): DaemonControl {
  const note = <T>(name: string, query: unknown, value: T): T => {
    asked.push([name, JSON.parse(JSON.stringify(query))]);
    return value;
  };
  return {
    status: () => STATUS,
    pause: (target) => note("pause", target, undefined),
    resume: (target) => note("resume", target, undefined),
    fetchNow: (targets) => note("fetchNow", targets, { asked: 2, paused: [], connected: [], beyond: [] }),
    resync: (query) =>
      note("resync", query, { mailboxes: 3, ofSource: 3, replicas: 1, paused: [], away: [], limited: [] }),
    planResync: async (query) => note("planResync", query, PLAN),
    verify: async (query) => note("verify", query, []),
    retry: (query) => note("retry", query, { rejects: 1, toCompare: 0, paused: false }),
    skip: (query) => note("skip", query, { rejects: 4, toCompare: 0, paused: false }),
    deletions: (query) => note("deletions", query, HELD),
    approveDeletions: async (query) => note("approveDeletions", query, HELD),
    fetchHeld: async (query) => note("fetchHeld", query, { messages: query.uids.map((uid) => ({ uid })) }),
    limboPage: async (query) => note("limboPage", query, { rows: [], more: false }),
    limboFiles: async (query) => note("limboFiles", query, { files: [], more: false }),
    fetchLimbo: async (query) =>
      note("fetchLimbo", query, { files: query.files.map(() => ({ sha256: "0".repeat(64), virtualSize: 0 })) }),
    explain: async (query) => note("explain", query, EXPLANATION),
    reload: async () => note("reload", {}, { changes: ["store mail: replica d is new"] }),
    ...more,
  };
}

export const HELD = [
  {
    ...{
      store: "mail",
      sinceMs: 1_764_000_000_000,
      why: "messages" as const,
      mounts: [],
      messages: 1_200,
      limit: 1_000,
    },
    ...{ held: 1_201, mailboxes: 52 },
    named: [
      { mailbox: "alice/.Work", messages: 700, isWhole: true, uids: [] },
      { mailbox: "bob", messages: 2, isWhole: false, uids: [7, 9] },
    ],
  },
];

export const PLAN: PlanAnswer = {
  replicas: [
    {
      ...{ store: "mail", replica: "c", kind: "planned", mailboxes: 3, messages: 9, equal: 1, toChange: 1, failed: 1 },
      ...{ comparing: false, heldBack: 0, further: 0, elapsedMs: 120 },
      sums: [{ kind: "remove", count: 30, bytes: 0, words: "30 messages removed" }],
      plans: [
        {
          ...{ mailbox: "alice/.Work", guid: "0123456789abcdef0123456789abcdef", changing: true },
          actions: [
            {
              ...{ kind: "remove", count: 30, bytes: 0, words: "remove 30 messages" },
              ...{ why: "the source does not have them", messages: [{ uid: 7, words: "UID 7 (x\u001b[31m)" }] },
            },
          ],
        },
        {
          ...{ mailbox: "bob", guid: "1123456789abcdef0123456789abcdef", changing: false, actions: [] },
          failure: { code: "uidlist-damaged", words: "line 3 is no record" },
        },
        { mailbox: "carol", guid: "2123456789abcdef0123456789abcdef", changing: false, actions: [] },
      ],
    },
  ],
  limited: [],
};

export const EXPLANATION = {
  ...{
    store: "mail",
    mailbox: "alice/.Work",
    guid: "0123456789abcdef0123456789abcdef",
    uidValidity: 7,
    uidNext: 20,
    uid: 17,
  },
  ...{ message: { kind: "gone" as const }, transactions: [], replicas: [] },
  log: { firstLsn: 1, lastLsn: 4, searchedFromLsn: 1 },
};

export interface ControlBench extends AsyncDisposable {
  readonly dir: string;
  readonly place: ControlPlace;
  readonly asked: unknown[];
  readonly defects: unknown[];
  open(more?: Partial<DaemonControl>, path?: string): Promise<AsyncDisposable>;
  /** Connected; its errors are nobody's. */
  dial(): Promise<Socket>;
  /** Sends that, and returns all that comes back until the connection ends. */
  say(bytes: string): Promise<string>;
}

export function openControlBench(clock: Clock): ControlBench {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "mtl-control-")));
  const place = { path: join(dir, "run", "control.sock"), foundBy: "as the test says" };
  const [asked, defects]: [unknown[], unknown[]] = [[], []];
  const opened: AsyncDisposable[] = [];
  const sockets: Socket[] = [];
  const stop = new AbortController();
  const bench: ControlBench = {
    ...{ dir, place, asked, defects },
    async open(more, path = place.path) {
      const ports = { control: noting(asked, more), clock, onDefect: (error: unknown) => void defects.push(error) };
      const server = await openControlServer(path, ports, stop.signal);
      opened.push(server);
      return server;
    },
    async dial() {
      const socket = connect(place.path).on("error", () => undefined);
      sockets.push(socket);
      await once(socket, "connect");
      return socket;
    },
    async say(bytes) {
      const socket = await bench.dial();
      socket.write(bytes, "latin1");
      return readAll(socket);
    },
    async [Symbol.asyncDispose]() {
      for (const server of opened) await server[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      rmSync(dir, { recursive: true });
    },
  };
  return bench;
}

/** Until it is closed, by whomever. */
export async function readAll(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => void parts.push(part));
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(parts).toString("latin1");
}
