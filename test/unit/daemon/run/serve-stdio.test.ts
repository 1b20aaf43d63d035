/** `mailtwin serve --stdio`: it does not outlive whoever asked, and says its last words whatever it ends with. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import { rawFromText } from "../../../../src/base/raw-name.js";
import { OUR_GREETING, OUR_GREETING_HERE, openAgreedLink } from "../../../../src/daemon/run/open-link.js";
import { greet } from "../../../../src/wire/greeting.js";
import { askToOpen, letOpen, type Opening, readOpening } from "../../../../src/wire/opening.js";
import { openStreamLink } from "../../../../src/wire/stream-link.js";
import { until } from "../../../live/lab/until.js";
import { CLI } from "../../../live/sites/daemon-process.js";

const { signal } = new AbortController();
const OPENING: Opening = {
  ...{ role: "source", peer: "a", root: undefined, logId: "1".repeat(32), lineage: ["3".repeat(32)] },
  target: { kind: "store", store: "mail" },
};

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-serve-"));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A daemon that hears what is wished for, and says nothing to it. */
async function openSilentDaemon() {
  const sockets: Socket[] = [];
  const heard: Opening[] = [];
  const server = createServer((stream) => {
    sockets.push(stream);
    const ports = { stream, clock: systemClock, peer: "serve" };
    void greet(ports, OUR_GREETING, signal)
      .then(() => readOpening(ports, signal))
      .then((opening) => heard.push(opening));
  }).listen(join(dir, "link"));
  await once(server, "listening");
  return { sockets, heard, close: () => server.close() };
}

/** Has greeted it. */
async function serve() {
  mkdirSync(join(dir, "mail"));
  const config = join(dir, "b.toml");
  const store = `[store.mail]\npath = "${dir}/mail"\n[store.mail.source]\npeer = "a"\n`;
  writeFileSync(
    config,
    `state_dir = "${dir}/state"\nlisten.unix = ["${dir}/link"]\n[peer.a]\nmay_write = ["mail"]\n${store}`,
  );
  return greeted(["--peer", "a", "--config", config]);
}

async function greeted(flags: readonly string[], greeting = OUR_GREETING) {
  const env = { ...process.env, XDG_STATE_HOME: join(dir, "state-home") };
  const child = spawn(process.execPath, [CLI, "serve", "--stdio", ...flags], { env });
  let words = "";
  child.stderr.on("data", (bytes: Buffer) => {
    words += bytes.toString();
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  const ports = { stream, clock: systemClock, peer: "b" };
  const agreement = await greet(ports, greeting, signal);
  return { child, exited, ports, agreement, said: () => words };
}

test("a client that is gone while the daemon thinks ends it, and the daemon's end of it", {
  timeout: 60_000,
}, async () => {
  const daemon = await openSilentDaemon();
  const { child, exited, ports, said } = await serve();
  const asked = askToOpen(ports, OPENING, signal).catch(() => undefined);
  await until("the wish to be heard", () => daemon.heard.length > 0);
  const closed = daemon.sockets.map((socket) => once(socket.resume(), "close"));
  child.stdin.end(); // as sshd does when its client is gone.
  expect((await exited)[0], said()).toBe(75);
  expect(said()).toContain("it hung up before it was answered");
  await Promise.all([...closed, asked]);
  daemon.close();
});

test("a daemon that is gone ends it, without a word of the client, which hears its last ones", {
  timeout: 60_000,
}, async () => {
  const failure = { code: "ENOSPC", message: "m".repeat(1_000), hint: "h", disposition: "retry", exitCode: 74 };
  const server = createServer((stream) => {
    const ports = { stream, clock: systemClock, peer: "serve" };
    void greet(ports, OUR_GREETING, signal)
      .then(() => readOpening(ports, signal))
      .then(() => {
        letOpen(ports);
        openStreamLink(ports).close(failure);
      });
  }).listen(join(dir, "link"));
  await once(server, "listening");
  const { exited, ports, agreement, said } = await serve();
  await askToOpen(ports, OPENING, signal);
  const heard: unknown[] = [];
  for await (const message of openAgreedLink(ports, agreement).messages(signal)) heard.push(message);
  expect(heard).toStrictEqual([{ kind: "farewell", failure }]);
  expect((await exited)[0], said()).toBe(0);
  server.close();
});

/** A wish for the directory `mail`. */
function openingOfDirectory(): Opening {
  mkdirSync(join(dir, "state-home"), { mode: 0o700 });
  const path = { kind: "path", path: rawFromText(join(dir, "mail")), foreign: "refuse", live: false } as const;
  const root = { mode: 0o700, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { ...OPENING, root, target: { ...path, sourceId: "2".repeat(32) } };
}

test.each([
  ["compressed", OUR_GREETING],
  ["as they are", OUR_GREETING_HERE],
])("the last words of an end that fails arrive before it is gone, %s", { timeout: 60_000 }, async (how, greeting) => {
  const opening = openingOfDirectory();
  const { exited, ports, agreement, said } = await greeted([], greeting);
  await askToOpen(ports, opening, signal);
  expect(agreement.capabilities.has("deflate")).toBe(how === "compressed");
  const link = openAgreedLink(ports, agreement);
  await link.send({ kind: "outcome", id: 1, notes: [] }, signal); // which only a replica sends.
  const heard: unknown[] = [];
  for await (const message of link.messages(signal)) heard.push(message);
  expect(heard).toMatchObject([{ kind: "farewell", failure: { code: "peer-confused" } }]);
  expect((await exited)[0], said()).toBe(76);
});

test("a client that is gone while its directory is opened makes it nobody's twin", { timeout: 60_000 }, async () => {
  const opening = openingOfDirectory();
  const { child, exited, ports, said } = await greeted([]);
  const asked = askToOpen(ports, opening, signal).catch(() => undefined);
  child.stdin.end();
  expect((await exited)[0], said()).toBe(75);
  expect(said()).toContain("it hung up before it was answered");
  await asked;
  expect(existsSync(join(dir, "mail"))).toBe(true); // it was opened.
  expect(existsSync(join(dir, ".mail.mailtwin"))).toBe(true);
  expect(existsSync(join(dir, ".mail.mailtwin/twin-over-link.json"))).toBe(false);
});
