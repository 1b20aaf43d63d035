/** A replica that fails says why with its last words, and the source judges them by their code. */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { readCatalogues } from "../../../scripts/error-catalogue.mjs";
import { errorOfFarewell, LAST_CODES, lastWordsOf } from "../../../src/agent/farewell.js";
import { systemClock } from "../../../src/base/clock.js";
import { MailtwinError } from "../../../src/base/errors.js";
import { makeSystemError } from "../../../src/base/system-error.js";
import { wireError } from "../../../src/wire/errors.js";
import { openStreamLink } from "../../../src/wire/stream-link.js";
import { openSocketPair } from "../../contract/socket-pair.js";
import { eachPair } from "./each-pair.js";
import type { Pair } from "./pair.js";
import { openAgent, openSession } from "./peers.js";

let pair: Pair;
let stop: AbortController;
const closing: (() => void)[] = [];

eachPair((fresh, controller) => {
  pair = fresh;
  stop = controller;
});

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function openLink() {
  const [down, up] = await openSocketPair();
  closing.push(
    () => down.destroy(),
    () => up.destroy(),
  );
  const source = openStreamLink({ stream: down, clock: systemClock, peer: "the replica" });
  return { source, replica: openStreamLink({ stream: up, clock: systemClock, peer: "the source" }) };
}

const failure = { code: "ENOSPC", message: "m", hint: "h", disposition: "retry", exitCode: 74 };

test("a full disk of the replica ends the agent as what it is, after all that was acknowledged before", async () => {
  for (const letter of ["a", "b", "c"]) pair.log(letter, [{ uid: 1 }]);
  const full = makeSystemError("ENOSPC", { doing: "writing", path: "/var/vmail/a" });
  pair.replicaState.onWrite = (method) => {
    if (method === "recordEffect" && pair.replica.applied.length === 3) throw full;
  };
  const run = pair.start({ link: await openLink() });
  await expect(run.agentRun).rejects.toMatchObject({
    code: "ENOSPC",
    disposition: "operator",
    exitCode: 74,
    message: expect.stringMatching(/^talking with twin: it ended the link, and says: writing .*ENOSPC/),
    hint: expect.stringContaining("Over there: Free some space"),
  });
  await expect(run.sessionRun).rejects.toBe(full);
  expect(run.shipped.map(({ lsn }) => lsn)).toStrictEqual([1, 2]);
});

test("a replica that is stopped, or whose link is cut, has no last words", async () => {
  const run = pair.start({ link: await openLink() });
  await run.prepared;
  run.link.source.close();
  await expect(run.agentRun).rejects.toMatchObject({ code: "link-closed" });
  await run.sessionRun;
});

test("what the other end makes of its code is no matter, and what it says is capped and escaped", async () => {
  const { run, send } = await openAgent(pair, stop.signal);
  const message = `\u001b[2Jyou\n${"x".repeat(4_000)}`;
  await send({ kind: "farewell", failure: { ...failure, message, hint: "\u0007", exitCode: 70_000 } });
  const error: unknown = await run.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "ENOSPC", disposition: "operator", exitCode: 69 });
  if (!(error instanceof Error) || !("hint" in error)) throw new Error("it is an error with a hint");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there is to be none.
  for (const words of [error.message, String(error.hint)]) expect(words).not.toMatch(/[\u0000-\u001f]/);
  expect(error.message.length).toBeLessThan(2_500);
});

test("a name in its words is shown as the other end has escaped it, over a link too", async () => {
  const words = "writing /var/vmail/a\\x0ab/c\\\\d: ENOSPC";
  expect(errorOfFarewell("b", { ...failure, message: words, hint: words })).toMatchObject({
    message: expect.stringMatching(/: writing \/var\/vmail\/a\\x0ab\/c\\\\d: ENOSPC$/),
    hint: `Over there: ${words}`,
  });
  const { run, send } = await openAgent(pair, stop.signal);
  await send({ kind: "farewell", failure: { ...failure, message: words } });
  await expect(run).rejects.toMatchObject({ message: expect.stringContaining(words) });
});

test("a code that is not known here is no code of this end", () => {
  for (const code of ["link-closed", "no-such-code", "__proto__", "bug", ""])
    expect(errorOfFarewell("b", { ...failure, code })).toMatchObject({
      code: "replica-failed",
      disposition: "operator",
    });
});

test("the codes that a replica may end with mean what the catalogues say", () => {
  const known = new Map(readCatalogues(join(import.meta.dirname, "../../..")).map((it) => [it.code, it.disposition]));
  const judged = [...LAST_CODES].map(([code, disposition]) => [code, disposition === known.get(code)]);
  const differ = judged.filter(([, isSame]) => isSame === false).map(([code]) => code);
  // A defect over there is for the person here all the same.
  expect(differ).toStrictEqual(["worker-died", "transaction-invalid"]);
});

test("a source that a person has to help tells the replica why, and nothing else that ends it", async () => {
  const run = pair.start({ link: await openLink() });
  await run.prepared;
  pair.log("a", [{ uid: 1 }]);
  const full = new MailtwinError({
    ...{ code: "state-disk-full", message: "writing the log: no room" },
    kind: { disposition: "operator", exitCode: 74, hint: "Free some space." },
  });
  pair.sourceState.onWrite = () => {
    throw full;
  };
  run.agent.wake();
  await expect(run.agentRun).rejects.toBe(full);
  await expect(run.sessionRun).rejects.toMatchObject({
    ...{ code: "source-refuses", disposition: "operator", hint: "Over there: Free some space." },
    message: "serving the source: it ended the link, and says: writing the log: no room",
    detail: { said: "state-disk-full" },
  });
  for (const error of [wireError("link-closed", "x"), new Error("it was paused"), wireError("no-progress", "x")])
    expect(lastWordsOf(error)).toBeUndefined();
});

test("what a source says is capped and escaped, whatever it is", async () => {
  const { run, send } = await openSession(pair, stop.signal);
  const message = `\u001b[2Jyou\n${"x".repeat(4_000)}`;
  await send({ kind: "farewell", failure: { ...failure, code: "__proto__", message, hint: `\u0007${message}` } });
  const error: unknown = await run.catch((reason: unknown) => reason);
  if (!(error instanceof MailtwinError)) throw new Error("it is an error with a hint");
  expect([error.code, error.disposition]).toStrictEqual(["source-refuses", "operator"]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there is to be none.
  for (const words of [error.message, error.hint]) expect(words).not.toMatch(/[\u0000-\u001f]/);
  for (const words of [error.message, error.hint]) expect(words.length).toBeLessThan(2_500);
});
