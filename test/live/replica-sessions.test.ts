/**
 * Clients that are connected to the replica while mail is applied there: they see it live, and nothing that they were told
 * is ever taken back.
 */
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { startIdle } from "./lab/idle.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { readView } from "./lab/view.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf, type Pair } from "./twin/pair.js";
import { lookAt, Witness } from "./twin/witness.js";

const POLLS_MIN = 40;
const ROUNDS_MIN = 40;
const ROUNDS_MAX = 400;
const FOLDERS = ["INBOX", "Lists", "Work.Deep"];

describeLive("clients of the replica", () => {
  const users = ["u1", "u2", "u3"];
  const lab = useLiveTwin({
    users,
    args: ["--approve-deletions"], // most of a small store goes below, and nobody is there to be asked.
    prepare: async ({ source }) => {
      for (const user of users) {
        const some = makeMessages(3, { seed: 1 }).map((message) => ({ user, message }));
        await deliverAll(source, some);
      }
    },
  });

  test("one that idles sees arrivals, flags, keywords and expunges", async () => {
    const { pair } = lab;
    await pair.settle("u1");
    await using idle = await startIdle(pair.replica, "u1", "INBOX");
    await deliver(pair.source, "u1", makeMessage({ seed: 10 }));
    await idle.waitFor("the arrival", (event) => event.kind === "exists" && event.count === 4);
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    await imap.store(session, [2], { add: ["\\Flagged", "blue"] });
    await idle.waitFor(
      "flag and keyword",
      (event) =>
        event.kind === "fetch" && event.seq === 2 && event.flags.includes("blue") && event.flags.includes("\\Flagged"),
    );
    await imap.store(session, [2], { remove: ["\\Flagged"] });
    await idle.waitFor(
      "the flag gone",
      (event) => event.kind === "fetch" && event.seq === 2 && !event.flags.includes("\\Flagged"),
    );
    await imap.expunge(session, [3]);
    await idle.waitFor("the expunge", (event) => event.kind === "expunge" && event.seq === 3);
    await pair.settle("u1");
    expect(idle.isOpen()).toBe(true);
    expect(
      idle.events.some((event) => event.kind === "fetch" && event.flags.some((flag) => /^unknown/.test(flag))),
    ).toBe(false);
  });

  test("pollers that SELECT every folder under a stream of changes are never told otherwise", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u2");
    for (const folder of FOLDERS.slice(1)) await imap.createFolder(session, folder);
    await pair.settle("u2");
    const steady = new Witness();
    const fresh = new Witness();
    const stop = new AbortController();
    const polling = Promise.all([pollSteadily(pair, steady, stop.signal), pollAnew(pair, fresh, stop.signal)]);
    polling.catch(() => stop.abort()); // awaited below.
    const enough = (round: number): boolean =>
      stop.signal.aborted || (round >= ROUNDS_MIN && steady.looks >= POLLS_MIN && fresh.looks >= POLLS_MIN);
    for (let round = 0; round < ROUNDS_MAX && !enough(round); round++) await changeSource(pair, session, round);
    stop.abort();
    await polling;
    expect(steady.looks).toBeGreaterThanOrEqual(POLLS_MIN);
    expect(fresh.looks).toBeGreaterThanOrEqual(POLLS_MIN);
    expect(steady.contradictions).toEqual([]);
    expect(fresh.contradictions).toEqual([]);
    await pair.settle("u2");
  });

  test("what one reads and marks there stays, until the source says otherwise", async () => {
    const { pair } = lab;
    await pair.settle("u3");
    await using reader = await imap.connect(pair.replica, "u3");
    await imap.select(reader, "INBOX");
    await imap.store(reader, [1, 2], { add: ["\\Seen"] });
    await imap.store(reader, [2], { add: ["mine"] });
    await using session = await imap.connect(pair.source, "u3");
    await imap.select(session, "INBOX");
    await imap.store(session, [1, 2], { add: ["\\Flagged"] });
    const flagsThere = async (): Promise<string> => {
      const inbox = (await readView(pair.replica, "u3", { bodies: false })).folders.get("INBOX");
      return (inbox?.messages ?? []).map(({ flags, keywords }) => [...flags, ...keywords].join("+")).join(" ");
    };
    let seen = "";
    const arrived = async (): Promise<boolean> => {
      seen = await flagsThere();
      return seen === "\\Flagged+\\Seen \\Flagged+\\Seen+mine ";
    };
    await until("both sides' marks on the replica", arrived, { detail: () => `marks: ${seen}` });
    const atSource = (await readView(pair.source, "u3", { bodies: false })).folders.get("INBOX")?.messages;
    expect(atSource?.map(({ flags }) => flags.join())).toEqual(["\\Flagged", "\\Flagged", ""]);
    // The source wins where it changes the same mark.
    await imap.store(session, "1:*", { add: ["\\Seen", "mine"] });
    await pair.settle("u3");
    await imap.store(session, "1:*", { remove: ["\\Seen", "mine"] });
    const marked = await pair.settle("u3");
    expect(folderOf(marked, "u3").messages.map(({ flags }) => flags.join())).toEqual(["\\Flagged", "\\Flagged", ""]);
  });
});

/** One session for the whole time. */
async function pollSteadily({ replica }: Pair, witness: Witness, signal: AbortSignal): Promise<void> {
  await using client = await imap.connect(replica, "u2");
  while (!signal.aborted) {
    for (const folder of FOLDERS) witness.note(folder, await lookAt(client, folder));
  }
}

/** A new session for every look, as a webmailer has it. */
async function pollAnew({ replica }: Pair, witness: Witness, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const folder of FOLDERS) {
      await using client = await imap.connect(replica, "u2");
      witness.note(folder, await lookAt(client, folder));
    }
  }
}

/** A handful of deliveries, appends, moves, flags and expunges. */
async function changeSource(
  { source }: Pair,
  session: Awaited<ReturnType<typeof imap.connect>>,
  round: number,
): Promise<void> {
  const seed = 1_000 + round * 10;
  const mail = makeMessages(4, { seed }).map((message) => ({ user: "u2", message }));
  await deliverAll(source, mail, { connections: 2 });
  for (const [i, folder] of FOLDERS.slice(1).entries()) {
    await imap.append(session, folder, makeMessage({ seed: seed + 5 + i }), {
      flags: round % 2 === 0 ? ["\\Seen"] : [],
    });
  }
  const { uidNext } = await imap.select(session, "INBOX");
  const newest = uidNext - 1;
  await imap.store(session, [newest], { add: ["\\Flagged", `k${round % 5}`] });
  const target = FOLDERS[1 + (round % 2)] ?? "Lists";
  if (round % 3 === 0) await imap.move(session, [newest], target);
  else if (round % 4 === 1) await imap.copy(session, [newest], target);
  if (round % 5 === 2) await imap.expunge(session, `1:${Math.max(1, newest - 20)}`);
}
