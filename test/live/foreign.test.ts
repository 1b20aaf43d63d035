/**
 * Mail that was delivered straight to the replica: kept, reported, and never in the way of the source's mail. A UID that
 * a client may have seen on either side names no other message on the other, ever.
 */
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { startIdle } from "./lab/idle.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { readView } from "./lab/view.js";
import { inboxOf, newest, UidLedger, untilSourceIsShown } from "./twin/foreign-mail.js";
import { useLiveTwin } from "./twin/live-twin.js";

describeLive("mail that only the replica has", () => {
  const users = ["u1", "u2", "u3", "u4"];
  const lab = useLiveTwin({
    users,
    prepare: async ({ source }) => {
      for (const user of users) {
        await deliverAll(
          source,
          makeMessages(3, { seed: 1 }).map((message) => ({ user, message })),
        );
      }
    },
  });

  test("is kept and reported, and the source's next mail has one UID on both sides", async () => {
    const { pair, twin } = lab;
    await pair.settle("u1");
    const ledger = new UidLedger();
    await deliver(pair.replica, "u1", makeMessage({ seed: 100 }));
    const foreign = newest(await inboxOf(pair, "replica", "u1", ledger));
    expect(foreign.uid).toBe(4);
    await deliver(pair.source, "u1", makeMessage({ seed: 101 }));
    await inboxOf(pair, "source", "u1", ledger);
    await untilSourceIsShown(pair, "u1", [foreign.guid], ledger);
    const fits = ({ event, path }: { readonly event: string; readonly path?: unknown }) =>
      event === "conflict" && path === "u1/Maildir";
    await twin.waitFor("a report of the foreign mail", fits, 5_000);
    await pair.expectClean();
    // From here on both sides go on as if nothing had been.
    await deliver(pair.source, "u1", makeMessage({ seed: 102 }));
    await untilSourceIsShown(pair, "u1", [foreign.guid], ledger);
    expect(ledger.contradictions()).toEqual([]);
  });

  test("some, while the source gets some too: all of it is kept", async () => {
    const { pair } = lab;
    await pair.settle("u2");
    const ledger = new UidLedger();
    const mail = (seed: number) => makeMessages(8, { seed }).map((message) => ({ user: "u2", message }));
    await Promise.all([deliverAll(pair.replica, mail(200)), deliverAll(pair.source, mail(300))]);
    const atSource = new Set((await inboxOf(pair, "source", "u2", ledger)).messages.map(({ guid }) => guid));
    const atReplica = await inboxOf(pair, "replica", "u2", ledger);
    const guids = await untilSourceIsShown(pair, "u2", "8 more", ledger);
    expect(guids).toHaveLength(8);
    expect(guids.filter((guid) => atSource.has(guid))).toEqual([]);
    expect(atReplica.messages.length).toBeGreaterThanOrEqual(8);
    expect(ledger.contradictions()).toEqual([]);
    await pair.expectClean();
  });

  test("under the eyes of an idling client: it keeps its session and sees both", async () => {
    const { pair } = lab;
    await pair.settle("u3");
    await using idle = await startIdle(pair.replica, "u3", "INBOX");
    await deliver(pair.replica, "u3", makeMessage({ seed: 400 }));
    await idle.waitFor("the foreign mail", (event) => event.kind === "exists" && event.count === 4);
    await deliver(pair.source, "u3", makeMessage({ seed: 401 }));
    await idle.waitFor("the source's mail", (event) => event.kind === "exists" && event.count >= 5);
    await untilSourceIsShown(pair, "u3", "1 more", new UidLedger());
    expect(idle.isOpen()).toBe(true);
    await pair.expectClean();
  });

  test("goes its own way: marked and expunged there, the source's mail is untouched by it", async () => {
    const { pair } = lab;
    await pair.settle("u4");
    await deliver(pair.replica, "u4", makeMessage({ seed: 500 }));
    await deliver(pair.source, "u4", makeMessage({ seed: 501 }));
    const [guid = ""] = await untilSourceIsShown(pair, "u4", "1 more", new UidLedger());
    const own = (await readView(pair.replica, "u4")).folders.get("INBOX")?.messages.find((m) => m.guid === guid);
    await using session = await imap.connect(pair.replica, "u4");
    await imap.select(session, "INBOX");
    await imap.store(session, [own?.uid ?? 0], { add: ["\\Seen", "local"] });
    await imap.expunge(session, [own?.uid ?? 0]);
    await deliver(pair.source, "u4", makeMessage({ seed: 502 }));
    await pair.settle("u4", { ignoreUidNext: true });
  });
});
