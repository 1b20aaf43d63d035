/** ssh as a carrier, with programs in its place that do as it would: bytes both ways, endings in words, no process left behind. */
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import type { SshAddress } from "../../../src/wire/address.js";
import { dialSsh } from "../../../src/wire/ssh-carrier.js";
import { sshArgvOf } from "../../../src/wire/ssh-command.js";
import { addressOf } from "./address-of.js";

const coded = (code: string, words = ""): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

function sshAddress(text: string): SshAddress {
  const address = addressOf(text);
  if (address.kind !== "ssh") throw new Error("an address of ssh");
  return address;
}

/** One that has ended and is not waited for yet by whoever inherited it is not. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

describe("the command line of ssh", () => {
  test("asks for nothing, and ends the options before the command", () => {
    expect(sshArgvOf({ address: sshAddress("ssh://vmail@mail2:2222") })).toStrictEqual([
      "ssh",
      "-T",
      "-oBatchMode=yes",
      "-p",
      "2222",
      "vmail@mail2",
      "--",
      "mailtwin",
      "serve",
      "--stdio",
    ]);
    expect(sshArgvOf({ address: sshAddress("ssh://[::1]"), program: ["/opt/ssh", "-4"] }).slice(0, 5)).toStrictEqual([
      "/opt/ssh",
      "-4",
      "-T",
      "-oBatchMode=yes",
      "::1",
    ]);
  });

  test("quotes what the shell over there would split, but for a home", () => {
    const remoteCommand = ["~/bin/mailtwin", "it's here", "$(id)", "", "--stdio"];
    expect(sshArgvOf({ address: sshAddress("ssh://a"), remoteCommand }).slice(-5)).toStrictEqual([
      "~/bin/mailtwin",
      `'it'\\''s here'`,
      "'$(id)'",
      "''",
      "--stdio",
    ]);
  });

  test.each([{ host: "-oProxyCommand=x" }, { user: "-l" }])("takes no option for an address: %j", (odd) => {
    const address: SshAddress = { kind: "ssh", user: undefined, host: "mail2", port: undefined, ...odd };
    expect(() => sshArgvOf({ address })).toThrow(/was parsed/);
  });
});

describe("an ssh carrier", () => {
  let dir: string;
  let stop: AbortController;
  let streams: Duplex[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "mtl-ssh-"));
    stop = new AbortController();
    streams = [];
  });

  afterEach(async () => {
    for (const stream of streams) await ended(stream.destroy());
    rmSync(dir, { recursive: true });
  });

  /** A program in the place of ssh: it writes down its number and its arguments, then does what `script` says. */
  function fakeSsh(script: string): readonly string[] {
    const path = join(dir, "ssh");
    writeFileSync(path, `echo $$ > ${dir}/pid\nprintf '%s\\n' "$@" > ${dir}/args\n${script}\n`);
    return ["/bin/sh", path];
  }

  /** As ssh does: all behind "--" joined, for a shell. */
  const RUN = 'while [ "$1" != -- ]; do shift; done; shift; exec /bin/sh -c "$*"';

  async function dial(script: string, remoteCommand: readonly string[] = ["cat"]): Promise<Duplex> {
    const program = fakeSsh(script);
    const stream = await dialSsh(
      { address: sshAddress("ssh://mail2"), program, remoteCommand, clock: systemClock },
      stop.signal,
    );
    streams.push(stream);
    return stream;
  }

  async function ended(stream: Duplex): Promise<unknown> {
    if (!stream.closed) await new Promise((resolve) => void stream.once("close", resolve));
    return stream.errored;
  }

  async function pidOf(): Promise<number> {
    for (;;) {
      const text = existsSync(join(dir, "pid")) ? readFileSync(join(dir, "pid"), "latin1") : "";
      if (text.endsWith("\n")) return Number(text);
      await setImmediate();
    }
  }

  test("carries bytes both ways, more than pipes hold, and ends when both ends do", async () => {
    const stream = await dial(RUN);
    const sent = Buffer.alloc(3_000_000, "0123456789abcdef!");
    const parts: Buffer[] = [];
    stream.on("data", (bytes: Buffer) => void parts.push(bytes));
    stream.end(sent);
    expect(await ended(stream)).toBeNull();
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    expect(readFileSync(join(dir, "args"), "latin1")).toBe("-T\n-oBatchMode=yes\nmail2\n--\ncat\n");
    expect(isAlive(await pidOf())).toBe(false);
  });

  test("the words of a remote command arrive as they were given", async () => {
    const stream = await dial(RUN, ["printf", "%s|", "it's", "$HOME `id`", "", "a  b"]);
    let heard = "";
    stream.on("data", (bytes) => (heard += String(bytes)));
    await ended(stream);
    expect(heard).toBe("it's|$HOME `id`||a  b|");
  });

  test("reads no faster than it is read", async () => {
    const stream = await dial("exec cat /dev/zero");
    await once(stream, "readable");
    for (let turn = 0; turn < 200; turn++) await setImmediate();
    expect(stream.readableLength).toBeLessThan(1_000_000);
  });

  test.each([
    ["echo 'Host key verification failed.' >&2; exit 255", "ssh-failed", "and said: Host key verification failed."],
    ["echo 'sh: mailtwin: not found' >&2; exit 127", "remote-missing", "sh: mailtwin: not found"],
    ["exit 126", "remote-missing", "exit code 126"],
    ["echo partial; echo one >&2; echo two >&2; exit 78", "remote-ended", "exit code 78, and said: one / two"],
    ["kill -9 $$", "ssh-failed", "ended by SIGKILL"],
    ["printf 'red \\033[31m\\n' >&2; exit 1", "remote-ended", "red \\x1b[31m"],
    [
      "yes nonsense | head -c 1000000 >&2; echo >&2; echo the end >&2; exit 1",
      "remote-ended",
      "nonsense / n / the end",
    ],
  ])("tells how the program ended: %s", async (script, code, words) => {
    const stream = await dial(script);
    const error = await ended(stream.resume());
    expect(error).toEqual(coded(code, words));
    expect(String(error).length).toBeLessThan(2_500);
  });

  test("tells the failure also to one who writes", async () => {
    const stream = await dial("exec 0<&-; sleep 0.05; echo no >&2; exit 255");
    stream.write(Buffer.alloc(1_000_000));
    expect(await ended(stream.resume())).toEqual(coded("ssh-failed", "and said: no"));
  });

  test("does not wait for a process that keeps the last words open (ControlPersist)", async () => {
    const stream = await dial(`setsid sleep 20 <&- >&- & echo $! > ${dir}/left; echo why >&2; exit 255`);
    expect(await ended(stream.resume())).toEqual(coded("ssh-failed", "and said: why"));
    process.kill(Number(readFileSync(join(dir, "left"), "latin1")), "SIGKILL");
  });

  test("a program that is not there is told by its code", async () => {
    const address = sshAddress("ssh://mail2");
    const dialling = dialSsh({ address, program: [join(dir, "none")], clock: systemClock }, stop.signal);
    await expect(dialling).rejects.toThrow(coded("ssh-failed", "ENOENT"));
  });

  test("ends the program, and what it started, when the stream is destroyed", async () => {
    const stream = await dial(`sleep 1000 & echo $! > ${dir}/second; wait`);
    const pid = await pidOf();
    while (!existsSync(join(dir, "second")) || readFileSync(join(dir, "second"), "latin1") === "") await setImmediate();
    const second = Number(readFileSync(join(dir, "second"), "latin1"));
    expect(isAlive(second)).toBe(true);
    stream.destroy();
    expect(await ended(stream)).toBeNull();
    expect(existsSync(`/proc/${pid}`)).toBe(false); // it was waited for.
    while (isAlive(second)) await setImmediate();
  });

  test("kills a program that does not end by itself", async () => {
    const fast = { ...systemClock, setTimer: (_ms: number, run: () => void) => systemClock.setTimer(20, run) };
    const program = fakeSsh(`trap '' TERM; echo > ${dir}/trapped; while :; do sleep 0.01; done`);
    const stream = await dialSsh({ address: sshAddress("ssh://mail2"), program, clock: fast }, stop.signal);
    while (!existsSync(join(dir, "trapped"))) await setImmediate();
    const pid = await pidOf();
    await ended(stream.destroy());
    expect(isAlive(pid)).toBe(false);
  });

  test("an abort ends the stream with its reason, and the program", async () => {
    const stream = await dial("exec sleep 1000");
    const pid = await pidOf();
    const reason = new Error("enough");
    stop.abort(reason);
    expect(await ended(stream)).toBe(reason);
    expect(isAlive(pid)).toBe(false);
    await expect(dial("exit 0")).rejects.toBe(reason);
  });

  test("an abort while it starts leaves nothing", async () => {
    const dialling = dial("exec sleep 1000");
    stop.abort(new Error("enough"));
    await expect(dialling).rejects.toThrow("enough");
  });
});
