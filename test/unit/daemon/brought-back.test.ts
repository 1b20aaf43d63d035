/** When what was brought back is let go: not before every replica has the new messages, and once. */
import { expect, test } from "vitest";
import type { BackAgain, BrakeReport } from "../../../src/capture/capture-types.js";
import { BroughtBackRelease } from "../../../src/daemon/brought-back.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";

const [ONE, TWO] = ["1".repeat(32), "2".repeat(32)] as MailboxGuid[] as [MailboxGuid, MailboxGuid];
const BACK: readonly BackAgain[] = [
  { guid: ONE, uids: "1:3" },
  { guid: TWO, uids: "*" },
];

class FakeSource {
  back: readonly BackAgain[] = BACK;
  brake: Pick<BrakeReport, "mailboxes"> | undefined = { mailboxes: 2 };
  lastLsn = 7;
  rejected: readonly MailboxGuid[] = [];
  searches = 0;
  readonly released: (readonly BackAgain[])[] = [];
  #end: () => void = () => undefined;
  blocked: Promise<void> | undefined;

  block(): void {
    this.blocked = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  unblock(): void {
    this.#end();
  }

  open(): BroughtBackRelease {
    const side = {
      capturer: {
        brake: undefined as unknown,
        approveDeletions: async (back: readonly BackAgain[]) => {
          this.released.push(back);
        },
      },
      reader: { lastLsn: () => this.lastLsn, rejections: () => this.rejected.map((mailbox) => ({ mailbox })) },
      worker: {
        call: async () => {
          this.searches += 1;
          await this.blocked;
          return this.back;
        },
      },
    };
    Object.defineProperty(side.capturer, "brake", { get: () => this.brake });
    return new BroughtBackRelease(side as never);
  }
}

test("it waits for that LSN, without a further search, whatever is written to the log meanwhile", async () => {
  const source = new FakeSource();
  const release = source.open();
  const asked: number[] = [];
  const have = (upTo: number) => (lsn: number) => {
    asked.push(lsn);
    return lsn <= upTo;
  };
  expect(await release.settle(have(6))).toBe(false);
  source.lastLsn = 20;
  expect(await release.settle(have(6))).toBe(false);
  expect([source.released, source.searches, asked]).toEqual([[], 1, [7, 7]]);
  expect(await release.settle(have(7))).toBe(true);
  expect(source.released).toEqual([BACK]);
  source.back = [];
  expect(await release.settle(have(30))).toBe(false);
  expect([source.searches, source.released.length]).toEqual([2, 1]);
});

test("what a replica has refused is not let go", async () => {
  const source = new FakeSource();
  source.rejected = [ONE];
  const release = source.open();
  expect(await release.settle(() => true)).toBe(true);
  expect(source.released).toEqual([[{ guid: TWO, uids: "*" }]]);
  source.rejected = [ONE, TWO];
  expect(await release.settle(() => true)).toBe(false);
  expect(source.released).toHaveLength(1);
});

test("nothing is searched while nothing is held, nor twice at once", async () => {
  const source = new FakeSource();
  const release = source.open();
  source.brake = undefined;
  expect(await release.settle(() => true)).toBe(false);
  source.brake = { mailboxes: 0 };
  expect(await release.settle(() => true)).toBe(false);
  expect(source.searches).toBe(0);
  source.brake = { mailboxes: 1 };
  source.block();
  const first = release.settle(() => true);
  expect(await release.settle(() => true)).toBe(false);
  source.unblock();
  expect(await first).toBe(true);
  expect(source.searches).toBe(1);
});
