import { test } from "vitest";
import { openReplica, transaction, save, CREATE, bodyOfBase } from "/work/main/test/unit/apply/replica-fixture.js";
import { encodeTransaction } from "/work/main/src/txn/transaction-codec.js";
test("seed", async () => {
  const replica = await openReplica();
  const N = 10000, B = 512;
  let prep=0, stage=0, exec=0, rec=0;
  let held = 0;
  for (let i = 0; i < N; i += B) {
    const n = Math.min(B, N - i);
    const changes = Array.from({length: n}, (_, k) => save(i + k + 1, `1700000000.M${i+k}P1.host,S=2000,W=2040`, { letters: k % 2 ? "S" : "", fields: "S2000 W2040", size: 2000 }));
    const txn = transaction(changes, { structure: i === 0 ? CREATE : undefined });
    const bytes = encodeTransaction(txn);
    const body = Buffer.alloc(2000, 65);
    const key = replica.nextKey();
    let t = performance.now();
    const p = replica.store.prepare({ key, bytes, voidBelow: 0 });
    if (p.kind !== "ready") throw new Error(JSON.stringify(p));
    prep += performance.now() - t; t = performance.now();
    const o = replica.store.stageMany({ key, bodies: p.wants.map(({index}) => ({ index, bytes: body, sha256: undefined })) });
    if (o.kind !== "staged") throw new Error("x");
    stage += performance.now() - t; t = performance.now();
    const e = replica.store.execute({ key });
    if (e.kind !== "applied") throw new Error(JSON.stringify(e));
    held = Math.max(held, e.lockedMs);
    exec += performance.now() - t; t = performance.now();
    replica.state.record(e.effect);
    rec += performance.now() - t;
  }
  console.log(`per message us: prepare ${(prep/N*1000).toFixed(1)} stage ${(stage/N*1000).toFixed(1)} execute ${(exec/N*1000).toFixed(1)}; max lock ms ${held.toFixed(1)}`);
  // marks on all
  replica.remove();
}, 60000);
