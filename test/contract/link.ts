/**
 * What every carrier of a `Link` promises: order, room, an end, and messages that arrive as they were sent.
 */

import { setMaxListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { fc, test } from "@fast-check/vitest";
import { afterEach, beforeEach, describe, expect } from "vitest";
import type { Link } from "../../src/wire/link.js";
import type { Retry, WireMessage } from "../../src/wire/messages.js";
import { messageByKind } from "../property/wire/arbitraries.js";

export interface LinkEnds {
  readonly source: Link;
  readonly replica: Link;
}

const CLOSED = expect.objectContaining({ code: "link-closed" });
/** More than any carrier holds. */
const MANY = 5_000;

function retry(lsn: number): Retry {
  return { kind: "retry", id: lsn, voidBelow: 0, giveUp: false };
}

function lsnOf(message: WireMessage): number {
  return message.kind === "retry" ? message.id : -1;
}

async function readAll(link: Link, signal: AbortSignal, countMax = Number.POSITIVE_INFINITY): Promise<WireMessage[]> {
  const messages: WireMessage[] = [];
  for await (const message of link.messages(signal)) if (messages.push(message) >= countMax) break;
  return messages;
}

/** Sends 0, 1, 2 and so on until the link is closed or the signal aborts; says how many were taken. */
async function sendOn(link: Link, signal: AbortSignal, sent: { count: number }): Promise<void> {
  for (let lsn = 0; lsn < MANY; lsn++) {
    await link.send(retry(lsn), signal);
    sent.count += 1;
  }
}

export function describeLink(name: string, open: () => Promise<LinkEnds>): void {
  describe(`link contract: ${name}`, () => {
    let ends: LinkEnds;
    let stop: AbortController;

    beforeEach(async () => {
      ends = await open();
      stop = new AbortController();
      setMaxListeners(0, stop.signal);
    });

    afterEach(() => {
      stop.abort(new Error("the test is over"));
      ends.source.close();
      ends.replica.close();
    });

    test("messages arrive in order, in both directions at once", async () => {
      const { source, replica } = ends;
      const down = readAll(replica, stop.signal);
      const up = readAll(source, stop.signal, 200);
      const sending = [source, replica].map(async (link, i) => {
        for (let lsn = 0; lsn < 200; lsn++) await link.send(retry(lsn + i * 1000), stop.signal);
      });
      expect((await up).map(lsnOf)).toStrictEqual(Array.from({ length: 200 }, (_, lsn) => lsn + 1000));
      await Promise.all(sending);
      source.close();
      expect((await down).map(lsnOf)).toStrictEqual(Array.from({ length: 200 }, (_, lsn) => lsn));
    });

    test("sends that were begun together arrive in the order of the calls", async () => {
      const reading = readAll(ends.replica, stop.signal, 100);
      await Promise.all(Array.from({ length: 100 }, (_, lsn) => ends.source.send(retry(lsn), stop.signal)));
      expect((await reading).map(lsnOf)).toStrictEqual(Array.from({ length: 100 }, (_, lsn) => lsn));
    });

    test("send waits for a reader that is slower, and loses nothing", async () => {
      const sent = { count: 0 };
      const sending = sendOn(ends.source, stop.signal, sent);
      for (let turn = 0; turn < 100; turn++) await setImmediate();
      expect(sent.count).toBeLessThan(MANY);
      const read = await readAll(ends.replica, stop.signal, MANY);
      await sending;
      expect(read.map(lsnOf)).toStrictEqual(Array.from({ length: MANY }, (_, lsn) => lsn));
    });

    test("what was sent before close still arrives, then the reader ends", async () => {
      await ends.source.send(retry(1), stop.signal);
      await ends.source.send(retry(2), stop.signal);
      ends.source.close();
      ends.source.close();
      expect((await readAll(ends.replica, stop.signal)).map(lsnOf)).toStrictEqual([1, 2]);
    });

    test("a reader that waits ends when either end closes", async () => {
      const [down, up] = [readAll(ends.replica, stop.signal), readAll(ends.source, stop.signal)];
      ends.source.close();
      expect(await down).toStrictEqual([]);
      expect(await up).toStrictEqual([]);
    });

    test("send after close throws link-closed, on both ends", async () => {
      ends.source.close();
      await expect(ends.source.send(retry(1), stop.signal)).rejects.toThrow(CLOSED);
      await readAll(ends.replica, stop.signal);
      await expect(ends.replica.send(retry(1), stop.signal)).rejects.toThrow(CLOSED);
    });

    test("a send that waits for room throws link-closed when the other end closes", async () => {
      const sending = sendOn(ends.source, stop.signal, { count: 0 });
      const ended = expect(sending).rejects.toThrow(CLOSED);
      for (let turn = 0; turn < 100; turn++) await setImmediate();
      ends.replica.close();
      await ended;
    });

    test("an abort ends what waits, with its reason", async () => {
      const reason = new Error("enough");
      const sending = sendOn(ends.source, stop.signal, { count: 0 });
      const reading = readAll(ends.source, stop.signal);
      const ended = [sending, reading].map((waiting) => expect(waiting).rejects.toBe(reason));
      for (let turn = 0; turn < 100; turn++) await setImmediate();
      stop.abort(reason);
      await Promise.all(ended);
      await expect(ends.replica.send(retry(1), stop.signal)).rejects.toBe(reason);
    });

    for (const [kind, arbitrary] of Object.entries<fc.Arbitrary<WireMessage>>(messageByKind)) {
      test(`a message of the kind "${kind}" arrives as it was sent`, async () => {
        const messages = fc.sample(arbitrary, { numRuns: 20, seed: 1 });
        const reading = readAll(ends.replica, stop.signal, messages.length);
        for (const message of messages) await ends.source.send(message, stop.signal);
        expect(await reading).toStrictEqual(messages);
      });
    }
  });
}
