/** Bodies of new small mail: they go with their transaction, or are asked for, and arrive either way. */
import { describe, expect, test } from "vitest";
import { readAlong } from "../../../src/agent/bodies-along.js";
import type { MayHave } from "../../../src/agent/offer-line.js";
import { OfferLine } from "../../../src/agent/offer-line.js";
import { OfferWindow } from "../../../src/agent/offer-window.js";
import type { SourceSide } from "../../../src/agent/source-side.js";
import { baseError } from "../../../src/base/base-errors.js";
import { SlabPool } from "../../../src/base/slab-pool.js";
import type { BodyMethods, BodyRead, ReadManyRequest } from "../../../src/capture/body-types.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change } from "../../../src/txn/transaction.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import type { Link } from "../../../src/wire/link.js";
import { openMemoryLink } from "../../../src/wire/memory-link.js";
import { ALONG_BODIES_MAX, ALONG_BYTES_MAX, type WireMessage } from "../../../src/wire/messages.js";
import { until } from "../../turns.js";
import { inlineWorker } from "../../worker-client.js";
import { eachPair } from "./each-pair.js";
import { bodyOf } from "./fake-bodies.js";
import { hexOf } from "./fake-replica.js";
import { guid, type Pair, path, type Running } from "./pair.js";

let pair: Pair;
let stop: AbortController;

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

/** A link, and what is sent on it: what the source offers with which bodies, what the replica wants. */
function watchedLink() {
  const link = openMemoryLink();
  const offered: { readonly id: number; readonly along: readonly number[] }[] = [];
  const wanted: (readonly number[])[] = [];
  const note = (message: WireMessage) => {
    if (message.kind === "offer")
      offered.push({ id: message.id, along: (message.along?.heads ?? []).map(({ index }) => index) });
    if (message.kind === "want") wanted.push(message.indexes);
  };
  const watch = (end: Link): Link => ({
    ...end,
    send: (message, signal) => {
      note(message);
      return end.send(message, signal);
    },
  });
  return { link: { source: watch(link.source), replica: watch(link.replica) }, offered, wanted };
}

function saves(count: number, size = 3) {
  return Array.from({ length: count }, (_, i) => ({ uid: i + 1, size }));
}

/** A COPY of a message of mailbox c, whose body nobody has logged. */
function copied(uid: number): Change {
  const [base, size] = [parseBaseName(`ba${uid}`), 0];
  const message = { uid: parseUid(uid), base, ...NO_MARKS, size, mtimeS: 7, fields: "" };
  return { kind: "save", message, origin: { mailbox: guid("c"), uid: parseUid(1), base: parseBaseName("bc1") } };
}

function methodsOf(run: Running): readonly string[] {
  return run.store.calls.map(({ method }) => method);
}

/** Everything of the log is shipped over a link that is watched. */
async function ship() {
  const watched = watchedLink();
  const run = pair.start({ link: watched.link });
  await run.untilAcked(pair.sourceState.lastLsn);
  await run.end();
  return { ...watched, run };
}

/** Reads come in slabs of one pool; a read that finds none fails. */
function useSlabs(): SlabPool {
  const pool = new SlabPool({ slabBytes: 2 * ALONG_BYTES_MAX, slabsMax: 1 });
  const readMany = pair.bodies.readMany.bind(pair.bodies);
  pair.bodies.readMany = async (request) => {
    const reads = await readMany(request);
    const slab = pool.take();
    if (slab === undefined) throw new Error("the slab was not given back");
    let at = 0;
    return reads.map((read): BodyRead => {
      if (read.kind !== "body") return read;
      const bytes = slab.subarray(at, at + read.bytes.length);
      bytes.set(read.bytes);
      at += read.bytes.length;
      return { ...read, bytes };
    });
  };
  return pool;
}

describe("bodies of a transaction", () => {
  test("come with it: nothing is asked for, and nothing more is asked of the store", async () => {
    pair.log("a", [
      { uid: 1, size: 5 },
      { uid: 2, size: 0 },
    ]);
    const { run, offered, wanted } = await ship();
    expect([offered, wanted]).toStrictEqual([[{ id: 1, along: [0, 1] }], []]);
    expect(methodsOf(run)).toStrictEqual(["prepare", "execute"]);
    expect([...(pair.replica.applied[0]?.bodies ?? [])]).toStrictEqual([
      [0, hexOf(bodyOf("ba1", 5))],
      [1, hexOf(bodyOf("ba2", 0))],
    ]);
    expect(run.points).toStrictEqual(["apply.staged", "apply.intent", "apply.effect-recorded"]);
    expect(run.bodyBytes).toBe(5);
  });

  test("that were read as the mail was found are not read again", async () => {
    pair.log("a", [{ uid: 1, size: 5 }]);
    const bytes = bodyOf("ba1", 5);
    const known = { uid: parseUid(1), base: parseBaseName("ba1"), bytes, sha256: hexOf(bytes) };
    pair.fresh.put(1, [known]);
    pair.bodies.readMany = async () => {
      throw new Error("nobody is to read");
    };
    const { run, offered, wanted } = await ship();
    expect([offered, wanted]).toStrictEqual([[{ id: 1, along: [0] }], []]);
    expect([...(pair.replica.applied[0]?.bodies ?? [])]).toStrictEqual([[0, hexOf(bytes)]]);
    expect([run.bodyBytes, pair.fresh.isWanted]).toStrictEqual([5, true]);
  });

  test("come with it up to the limits", async () => {
    pair.log("a", saves(ALONG_BODIES_MAX));
    pair.log("b", saves(2, ALONG_BYTES_MAX / 2));
    const { offered, wanted } = await ship();
    expect(offered.map(({ along }) => along.length)).toStrictEqual([ALONG_BODIES_MAX, 2]);
    expect(wanted).toStrictEqual([]);
  });

  test.each([
    ["too many", saves(ALONG_BODIES_MAX + 1)],
    ["too large together", [...saves(2, ALONG_BYTES_MAX / 2), { uid: 9, size: 1 }]],
    ["too large", saves(1, ALONG_BYTES_MAX + 1)],
  ])("that are %s are asked for, all of them", async (_what, some) => {
    pair.log("a", some);
    const { offered, wanted } = await ship();
    expect(offered).toStrictEqual([{ id: 1, along: [] }]);
    expect(wanted).toStrictEqual([some.map((_, i) => i)]);
    expect(pair.replica.applied[0]?.bodies.size).toBe(some.length);
  });

  test("that the replica may have by COPY are asked for; others come with it all the same", async () => {
    pair.log("a", [{ uid: 1 }], [copied(2)]);
    const { run, offered, wanted } = await ship();
    expect([offered, wanted]).toStrictEqual([[{ id: 1, along: [0] }], [[1]]]);
    expect(pair.replica.applied[0]?.bodies.size).toBe(2);
    expect(run.bodyBytes).toBe(3);
  });
});

test("as long as the source has not seen all that stood there, bodies are asked for", async () => {
  pair.isLive = false;
  pair.log("a", [{ uid: 1 }]);
  const { offered, wanted } = await ship();
  expect([offered, wanted]).toStrictEqual([[{ id: 1, along: [] }], [[0]]]);
});

describe("bodies that cannot be read when their transaction is offered", () => {
  /** What the first read of that one says; the next ones find it. */
  function atFirst(base: string, fate: "gone" | "unreadable"): void {
    pair.bodies[fate].add(base);
    const readMany = pair.bodies.readMany.bind(pair.bodies);
    pair.bodies.readMany = async (request) => {
      const reads = await readMany(request);
      pair.bodies[fate].delete(base);
      return reads;
    };
  }

  test.each(["gone", "unreadable"] as const)("(one is %s) are asked for, and arrive", async (fate) => {
    pair.log("a", saves(3));
    atFirst("ba2", fate);
    const { run, offered, wanted } = await ship();
    expect([offered, wanted]).toStrictEqual([[{ id: 1, along: [0, 2] }], [[1]]]);
    expect(pair.replica.applied[0]).toMatchObject({ gone: [], bodies: { size: 3 } });
    expect([run.rejected, run.bodyBytes]).toStrictEqual([[], 9]);
  });

  test("(their mailbox is not to be opened) are asked for, and arrive", async () => {
    pair.log("a", saves(2));
    let reads = 0;
    pair.bodies.onRead = () => {
      reads += 1;
      if (reads === 1) throw Object.assign(new Error("EACCES: opening it"), { code: "EACCES" });
    };
    const { run, offered, wanted } = await ship();
    expect([offered, wanted]).toStrictEqual([[{ id: 1, along: [] }], [[0, 1]]]);
    expect(pair.replica.applied[0]?.bodies.size).toBe(2);
    expect(run.rejected).toStrictEqual([]);
  });

  test("(the reader has ended) end the run", async () => {
    pair.log("a", saves(1));
    pair.bodies.onRead = () => {
      throw baseError("worker-closed", { message: "asking the reader: it has ended" });
    };
    const { link, offered } = watchedLink();
    const run = pair.start({ link });
    await expect(run.agentRun).rejects.toThrow(expect.objectContaining({ code: "worker-closed" }));
    await run.sessionRun;
    expect(offered).toStrictEqual([]);
  });
});

describe("while its bodies are read", () => {
  test("a mailbox is refused: it is not offered, its bodies are not counted, and the next run sends it in order", async () => {
    pair.log("a", []);
    pair.log("b", []); // between them, or they would go as one.
    pair.log("a", [{ uid: 1 }]);
    pair.replica.refusals.set(1, [{ kind: "mailbox-missing" }]);
    const plain = pair.bodies.readMany.bind(pair.bodies);
    const pool = useSlabs();
    const { link, offered } = watchedLink();
    let run: Running | undefined;
    const readMany = pair.bodies.readMany.bind(pair.bodies);
    pair.bodies.readMany = async (request) => {
      const reads = await readMany(request);
      await until(() => (run?.rejected.length ?? 0) > 0, "it is refused");
      return reads;
    };
    run = pair.start({ link });
    await run.untilAcked(3);
    await run.end();
    expect(offered.map(({ id }) => id)).toStrictEqual([1, 2]);
    expect(run.bodyBytes).toBe(0);
    expect(run.rejected).toMatchObject([{ lsn: 1 }]);
    expect(pool.take()).toBeDefined();
    pair.bodies.readMany = plain;
    await ship();
    expect(pair.replica.applied.map(({ lsn }) => lsn)).toStrictEqual([2, 1, 3]);
    expect(pair.sourceState.rejections).toStrictEqual([]);
  });

  test("nothing of what follows is read: at most one transaction's are held", async () => {
    pair.log("a", [{ uid: 1 }]);
    pair.log("b", [{ uid: 1 }]);
    const asked: string[] = [];
    let letOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letOn = resolve;
    });
    const readMany = pair.bodies.readMany.bind(pair.bodies);
    pair.bodies.readMany = async (request) => {
      asked.push(request.mailbox);
      await held;
      return readMany(request);
    };
    const run = pair.start();
    await until(() => asked.length > 0, "the first is read");
    const acked = run.untilAcked(2);
    expect(asked).toStrictEqual([guid("a")]);
    letOn();
    await acked;
    await run.end();
    expect(asked).toStrictEqual([guid("a"), guid("b")]);
  });
});

describe("readAlong", () => {
  const asked: ReadManyRequest[] = [];

  function portsFor(mayHave: MayHave, at: ReturnType<SourceSide["pathOf"]>) {
    asked.length = 0;
    const methods = {
      readMany: (request: ReadManyRequest) => {
        asked.push(request);
        return pair.bodies.readMany(request);
      },
    };
    const source = { isLive: true, pathOf: () => at, fresh: pair.fresh } as unknown as SourceSide;
    return { bodies: inlineWorker(methods as unknown as BodyMethods), source, mayHave };
  }

  function logged() {
    pair.log("a", [{ uid: 1, size: 4 }]);
    const transaction = decodeTransaction(pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0));
    return { transaction, firstLsn: 1, lsn: 1 };
  }

  test("reads where the mailbox is now", async () => {
    const along = await readAlong(portsFor(undefined, path("z")), logged());
    expect(asked).toMatchObject([{ mailbox: guid("a"), mailboxPath: path("z"), bytesMax: ALONG_BYTES_MAX }]);
    expect(along?.heads).toMatchObject([{ index: 0, size: 4, gone: false }]);
  });

  test("does not read a mailbox that comes or moves: the replica may have its mail", async () => {
    const structure = { kind: "rename", from: path("y"), parents: [], maildirFolder: false } as const;
    const run = logged();
    const moving = { ...run, transaction: { ...run.transaction, structure } };
    expect(await readAlong(portsFor(undefined, path("z")), moving)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("does not read a mailbox that is gone, or is where the replica has no right", async () => {
    expect(await readAlong(portsFor(undefined, undefined), logged())).toBeUndefined();
    expect(asked).toStrictEqual([]);
    expect(
      await readAlong(
        portsFor((at) => at !== path("z"), path("z")),
        logged(),
      ),
    ).toBeUndefined();
    expect(asked).toStrictEqual([]);
  });

  test("gives a file back that is larger than it was said to be", async () => {
    const pool = useSlabs();
    const transaction = logged();
    pair.bodies.sizes.set("ba1", ALONG_BYTES_MAX + 1);
    expect(await readAlong(portsFor(undefined, path("a")), transaction)).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(pool.take()).toBeDefined();
  });
});

describe("shared memory that came with a transaction is given back", () => {
  test("when it is prepared, not only when the others have come", async () => {
    const pool = useSlabs();
    pair.log("a", [{ uid: 1 }], [copied(2)]);
    const { wanted } = await ship(); // the wish would find no slab.
    expect(wanted).toStrictEqual([[1]]);
    expect(pair.replica.applied).toHaveLength(1);
    expect(pool.take()).toBeDefined();
  });

  test("not before", async () => {
    const pool = useSlabs();
    const taken: boolean[] = [];
    const prepare = pair.replica.prepare.bind(pair.replica);
    pair.replica.prepare = (request) => {
      taken.push(pool.take() === undefined);
      return prepare(request);
    };
    pair.log("a", saves(1));
    await ship();
    expect(taken).toStrictEqual([true]);
  });

  test("when it cannot be prepared", async () => {
    const pool = useSlabs();
    pair.replica.prepare = () => {
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    };
    pair.log("a", saves(1));
    const run = pair.start();
    await expect(run.sessionRun).rejects.toThrow(/ENOSPC/);
    run.stop.abort(new Error("the test is over"));
    await Promise.allSettled([run.agentRun]);
    expect(pool.take()).toBeDefined();
  });

  test("when its mailbox may not be had any more", async () => {
    const pool = new SlabPool({ slabBytes: 64, slabsMax: 1 });
    const payloads = [pool.take() ?? new Uint8Array(0)];
    pair.log("a", saves(1));
    const bytes = pair.sourceState.entries[0]?.bytes ?? new Uint8Array(0);
    const sent: WireMessage[] = [];
    const link: Link = { ...openMemoryLink().source, send: async (message) => void sent.push(message) };
    const line = new OfferLine({ link, window: new OfferWindow(), mayHave: () => false });
    const along = { heads: [], payloads };
    await line.offer({ mailbox: guid("a"), lsn: 1, bytes, along, isNext: true }, stop.signal);
    expect(sent).toStrictEqual([]);
    expect(pool.take()).toBeDefined();
  });
});
