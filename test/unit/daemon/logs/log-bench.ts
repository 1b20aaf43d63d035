/** A state directory of `mailtwin sync` with a log in it, and the built command on it, as a shell sees it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StateWriter } from "../../../../src/log/state-ports.js";
import type { RejectionRow } from "../../../../src/log/state-types.js";
import type { Transaction } from "../../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../../src/txn/transaction-codec.js";
import { openInlineStateWriter } from "../../../contract/inline-state-writer.js";
import { NOTHING_CAPTURED, rawPath } from "../../log/state-fixtures.js";
import { transaction } from "../../txn/txn-fixtures.js";

const CLI = fileURLToPath(new URL("../../../../dist/daemon/cli.js", import.meta.url));

export interface LogBench extends AsyncDisposable {
  readonly root: string;
  readonly state: string;
  readonly writer: StateWriter;
  append(...transactions: readonly Partial<Transaction>[]): Promise<void>;
  appendBytes(bytes: Uint8Array): Promise<void>;
  reject(lsn: number, more?: Partial<RejectionRow>): Promise<void>;
  /** With `--state` of this bench. */
  run(...args: readonly string[]): Ended;
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function runCli(...args: readonly string[]): Ended {
  const run = spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

/** Its standard output and error are piped. */
export function startCli(...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

/** `at`: below a directory of its own. */
export function openLogBench(at = "state"): LogBench {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-logs-")));
  const state = join(root, at);
  mkdirSync(state, { recursive: true });
  const writer = openInlineStateWriter(join(state, "source.db"));
  const append = async (mailbox: Transaction["mailbox"], capturedMs: number, bytes: Uint8Array) => {
    await writer.appendCaptured({ ...NOTHING_CAPTURED, transactions: [{ mailbox, capturedMs, bytes }] });
  };
  return {
    ...{ root, state, writer },
    async append(...transactions) {
      for (const each of transactions.map((more) => transaction(more)))
        await append(each.mailbox, each.capturedMs, encodeTransaction(each));
    },
    appendBytes: (bytes) => append(transaction().mailbox, 1_763_913_000_123, bytes),
    async reject(lsn, more = {}) {
      const { mailbox, path } = transaction();
      const times = { attempts: 3, firstMs: 1_763_913_000_000, lastMs: 1_763_916_600_000 };
      const what = { code: "uid-taken", message: "UID 17 is another message's there" };
      await writer.putRejection({ replica: "far", lsn, mailbox, path, ...what, ...times, ...more });
    },
    run: (...args) => runCli(...args, "--state", state),
    async [Symbol.asyncDispose]() {
      await writer[Symbol.asyncDispose]();
      rmSync(root, { recursive: true });
    },
  };
}

/** A path that would steer a terminal, and is no UTF-8. */
export const HOSTILE_PATH = rawPath("bob/\x1b[31mred\nline\xff");
