/** What is told of a replica's link, and when it is over: no trouble stands beside a link that shows it to be over. */
import { beforeEach, describe, expect, test } from "vitest";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { LinkTroubles } from "../../../../src/daemon/run/link-troubles.js";
import { Troubles } from "../../../../src/daemon/run/troubles.js";
import { wireError } from "../../../../src/wire/errors.js";
import { FakeClock } from "../../../fake-clock.js";

const UNREACHED = wireError("peer-unreachable", "connecting to b: ECONNREFUSED");
const CUT = wireError("link-closed", "talking with b: the connection was cut");
const REFUSED = wireError("wire-invalid", "talking with b: it makes no sense");
const ALARM_MS = 60_000;

let clock: FakeClock;
let troubles: Troubles;
let link: LinkTroubles;

beforeEach(() => {
  clock = new FakeClock();
  troubles = new Troubles();
  const log = openEventLog("debug", () => undefined);
  const replica = { to: { kind: "unix", path: "/run/b" } as const, unreachableAlarmMs: ALARM_MS };
  link = new LinkTroubles({ clock, log, troubles, replica });
});

const codes = () => troubles.all.map(({ code }) => code);
/** A link that both ends have agreed on, and that ends so. */
const ends = (error: unknown) => {
  link.connected();
  link.met();
  link.ended(error);
  link.lacking();
};
const fails = (error: unknown) => {
  link.lacking();
  link.ended(error);
  link.lacking();
};

describe("a trouble of a link", () => {
  test("that could not be had is over when there is one, whatever follows on it", () => {
    fails(UNREACHED);
    expect(codes()).toStrictEqual(["peer-unreachable"]);
    link.connected();
    expect(codes()).toStrictEqual([]);
  });

  test("that was cut is over when the next one carries something", () => {
    ends(CUT);
    link.connected();
    link.met();
    expect(codes()).toStrictEqual(["link-closed"]);
    link.gotOn();
    expect(codes()).toStrictEqual([]);
    expect(clock.timerCount).toBe(1);
    link.ended(undefined);
    expect(clock.timerCount).toBe(0);
  });

  test("that was cut is over when the next one has stood for some seconds; and is the same one while each is cut at once", async () => {
    ends(CUT);
    const [first] = troubles.all;
    for (let i = 0; i < 5; i++) {
      await clock.advance(1_000);
      ends(CUT);
    }
    expect(troubles.all).toStrictEqual([first]);
    link.connected();
    link.met();
    await clock.advance(9_999);
    expect(codes()).toStrictEqual(["link-closed"]);
    await clock.advance(1);
    expect([codes(), clock.timerCount]).toStrictEqual([[], 0]);
  });

  test("that ended of what one end makes of the other is told until all is there: the next may end of it again", async () => {
    ends(REFUSED);
    link.connected();
    link.met();
    link.gotOn();
    await clock.advance(3_600_000);
    expect(codes()).toStrictEqual(["wire-invalid"]);
    link.live();
    expect(codes()).toStrictEqual([]);
  });

  test("that is lacking for so long that a person is called is over when both ends have agreed", async () => {
    fails(UNREACHED);
    await clock.advance(ALARM_MS);
    expect(codes()).toStrictEqual(["replica-unreachable"]);
    link.connected();
    expect(codes()).toStrictEqual(["replica-unreachable"]);
    link.met();
    expect(codes()).toStrictEqual([]);
  });
});
