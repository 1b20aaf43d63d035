/**
 * A comparison that asks with sums offers exactly the changes of one in which the replica tells every message, whatever happened to either
 * side. Over real stores and the wire's encoding; nothing is applied.
 */
import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import type { Asker } from "../../../src/agent/asker.js";
import { type ComparisonPorts, compareMailbox } from "../../../src/agent/compare-mailbox.js";
import { answerRequest } from "../../../src/agent/session-requests.js";
import { SourceStates } from "../../../src/agent/source-states.js";
import type { ApplyMethods } from "../../../src/apply/apply-types.js";
import { systemClock } from "../../../src/base/clock.js";
import { openHash } from "../../../src/base/hash.js";
import { type MailboxGuid, UID_MAX } from "../../../src/maildir/ids.js";
import { planMessages } from "../../../src/resync/plan-messages.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { Transaction } from "../../../src/txn/transaction.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import { decodeMessage, encodeMessage } from "../../../src/wire/message-codec.js";
import type { Answer, Ask } from "../../../src/wire/messages.js";
import { addFile, addMessage, makeMailbox, spreadUids } from "../../live/twin/small-store.js";
import { RealPair } from "../../unit/agent/real-pair.js";
import { inlineWorker, methodsOf } from "../../worker-client.js";
import { tries } from "../tries.js";

const INBOX = "u/Maildir";
const INFOS = ["", ":2,", ":2,S", ":2,FSa", ":2,b", ":2,SX", ":2,S,tail", ":2,\u0001"];
const FIELDS = ["S5 ", "P12 ", "W9 S7 ", "S3 P12 ", "Gother ", "P9 Gother "];
const ON_BOTH = ["mark", "remove", "add", "last"] as const;
const ON_REPLICA = [...ON_BOTH, "touch", "grow", "fields", "fields", "rename", "forget", "swap", "file"] as const;

interface Edit {
  readonly side: "source" | "replica";
  readonly kind: (typeof ON_REPLICA)[number];
  readonly pick: number;
  readonly how: number;
}

const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.oneof(
    fc.record({
      side: fc.constant("replica" as const),
      kind: fc.constantFrom(...ON_REPLICA),
      pick: fc.nat(50),
      how: fc.nat(9),
    }),
    fc.record({
      side: fc.constant("source" as const),
      kind: fc.constantFrom(...ON_BOTH),
      pick: fc.nat(50),
      how: fc.nat(9),
    }),
  ),
  { maxLength: 6 },
);

interface Case {
  readonly messages: number;
  /** From one UID to the next. */
  readonly step: number;
  /** The replica's mail was brought there by replication, or by somebody else. */
  readonly isShipped: boolean;
  readonly edits: readonly Edit[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  messages: fc.integer({ min: 1, max: 90 }),
  step: fc.constantFrom(1, 7, 50, 128, 129, 5000),
  isShipped: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
  edits,
});

let seed = 1000;

function change(store: string, { kind, pick, how }: Edit): void {
  const dir = join(store, INBOX);
  const names = readdirSync(join(dir, "cur")).sort();
  const name = names[pick % Math.max(1, names.length)];
  seed += 1;
  if (kind === "add") addMessage(dir, { seed, bytes: 60 + how });
  else if (kind === "file") addFile(dir, { seed, bytes: 60 });
  if (name === undefined) return;
  const [file, base] = [join(dir, "cur", name), name.split(":", 1)[0] ?? ""];
  const moveTo = (to: string) => renameSync(file, join(dir, "cur", to));
  const editRecords = (edit: (lines: string[], at: number) => string[]) => {
    const path = join(dir, "dovecot-uidlist");
    const [header = "", ...lines] = readFileSync(path, "latin1").trimEnd().split("\n");
    const at = lines.findIndex((line) => line.endsWith(`:${base}`));
    if (at < 0) return;
    writeFileSync(`${path}.new`, [header, ...edit(lines, at), ""].join("\n"), "latin1");
    renameSync(`${path}.new`, path);
  };
  const uidOf = (line = "0") => Number.parseInt(line, 10);
  const changes: Partial<Record<Edit["kind"], () => void>> = {
    mark: () => moveTo(base + (INFOS[how % INFOS.length] ?? "")),
    remove: () => rmSync(file),
    touch: () => utimesSync(file, 1_000_000 + how, 1_000_000 + how),
    grow: () => appendFileSync(file, "x".repeat(1 + how)),
    fields: () =>
      editRecords((lines, at) => lines.with(at, `${uidOf(lines[at])} ${FIELDS[how % FIELDS.length]}:${base}`)),
    rename: () => {
      moveTo(`${seed}.other:2,S`);
      editRecords((lines, at) =>
        lines.with(at, `${uidOf(lines[at])} ${how % 2 === 0 ? `G${base} ` : ""}:${seed}.other`),
      );
    },
    forget: () => editRecords((lines, at) => lines.toSpliced(at, 1)),
    last: () => {
      editRecords((lines, at) => [...lines.toSpliced(at, 1), `${uidOf(lines.at(-1)) + 1 + how * 40} :${base}`]);
    },
    swap: () => {
      editRecords((lines, at) => {
        const other = (at + 1 + how) % lines.length;
        const [one, two] = [lines[at] ?? "", lines[other] ?? ""];
        const after = (line: string) => line.slice(`${uidOf(line)}`.length);
        return lines.with(at, uidOf(one) + after(two)).with(other, uidOf(two) + after(one));
      });
    },
  };
  changes[kind]?.();
}

async function prepare({ messages, step, isShipped, edits: all }: Case): Promise<RealPair> {
  const pair = await RealPair.open();
  const dir = makeMailbox(pair.bench.source, INBOX, { messages, bytes: 60 });
  spreadUids(dir, step);
  writeFileSync(join(dir, "dovecot-keywords"), "0 $Junk\n1 Work\n", "latin1");
  if (isShipped) await pair.ship();
  else cpSync(pair.bench.source, pair.bench.replica, { recursive: true, preserveTimestamps: true });
  // The same letters mean the same, the other way round.
  writeFileSync(join(pair.bench.replica, INBOX, "dovecot-keywords"), "0 Work\n1 $Junk\n", "latin1");
  for (const edit of all) change(pair.bench[edit.side], edit);
  await pair.capture();
  return pair;
}

interface Offered {
  readonly transactions: readonly Omit<Transaction, "capturedMs">[];
  readonly outcome: unknown;
  readonly foreign: number;
  /** Messages that were told. */
  readonly told: number;
}

/** `tellsAll`: the replica says only that it differs, and so is asked about all that it has. */
async function compare(pair: RealPair, guid: MailboxGuid, tellsAll: boolean): Promise<Offered> {
  const store = inlineWorker(methodsOf(pair.store) as unknown as ApplyMethods);
  const signal = new AbortController().signal;
  const transactions: Omit<Transaction, "capturedMs">[] = [];
  let [foreign, told] = [0, 0];
  const ask = async (question: Ask): Promise<Answer> => {
    const request = decodeMessage(encodeMessage({ kind: "request", id: 1, ask: question }));
    if (request.kind !== "request") throw new Error("it came as something else");
    expect(request.ask).toStrictEqual(question);
    const ports = { store, writer: pair.replicaWriter, clock: systemClock, patience: () => ({}) as never };
    const reply = decodeMessage(encodeMessage(await answerRequest(ports, request, signal)));
    if (reply.kind !== "reply" || !reply.result.ok) throw new Error(JSON.stringify(reply));
    const { answer } = reply.result;
    if (answer.kind === "tell-held") told += answer.messages.length;
    if (!tellsAll || answer.kind !== "compare" || answer.differing === undefined) return answer;
    const bits = new Uint8Array(answer.differing.bits.length);
    return { ...answer, differing: { bits, hasOthers: false, isEqual: false } };
  };
  const ports: ComparisonPorts = {
    ...{ reader: pair.sourceReader, clock: systemClock, source: pair.sourceParts.adapted, mayHave: undefined },
    asker: { ask } as unknown as Asker,
    line: {
      untilClear: async () => undefined,
      offerBeside: async ({ bytes }: { readonly bytes: Uint8Array }) => {
        const { capturedMs: _, ...transaction } = decodeTransaction(bytes);
        transactions.push(transaction);
      },
    } as unknown as ComparisonPorts["line"],
    rejections: { isRefused: () => false } as unknown as ComparisonPorts["rejections"],
    onForeign: (_, messages) => {
      foreign = messages;
    },
    onNextUid: () => undefined,
    onReached: () => undefined,
    renumbers: () => ({ source: true, replica: true, nobody: true }),
  };
  const outcome = await compareMailbox(ports, guid, signal);
  return { transactions, outcome, foreign, told };
}

const EVERYTHING = [{ from: 0, below: UID_MAX + 1 }];
const digester = new StateDigester(await openHash());

test.prop([cases], tries(30))(
  "a comparison with sums offers what one without them does",
  async (it) => {
    await using pair = await prepare(it);
    const guid = pair.guidAt(INBOX);
    const { told, ...offered } = await compare(pair, guid, false);
    const { told: all, ...naive } = await compare(pair, guid, true);
    expect(offered).toStrictEqual(naive);
    expect(told).toBeLessThanOrEqual(all);
    if (it.isShipped && it.edits.length === 0) expect([told, offered.transactions]).toStrictEqual([0, []]);
    // By the arithmetic alone.
    const states = new SourceStates(pair.sourceReader, guid, { digester, seed: 0 });
    const { path = INBOX } = states.row ?? {};
    const replica = pair.store.tellHeld({ mailbox: guid, path: path as never, spans: EVERYTHING, messagesMax: 4096 });
    const own = states.take(EVERYTHING, { afterUid: 0, upTo: UID_MAX }, 9999).states;
    const planned = replica.kind === "read" ? planMessages(replica.messages, own) : [];
    expect(offered.transactions.flatMap(({ changes }) => changes)).toStrictEqual(planned);
  },
  120_000,
);
