/** Daemons that end and begin in any order, in peace or not, while mail changes at the source: equal in the end. */
import { test } from "vitest";
import { describeLive } from "./lab/available.js";
import { deliverAll } from "./lab/lmtp.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { MixedChanges } from "./twin/mixed-changes.js";

const USERS = ["u1", "u2"];

/** What happens to daemons, one row after the other; mail changes after each word. "-": TERM, "x": KILL, "+": start. */
const STEPS = [
  ["-b", "+b"],
  ["-a", "+a"],
  ["-b", "-a", "+a", "+b"],
  ["-a", "-b", "+a", "+b"],
  ["xb", "-a", "+b", "+a"],
  ["xa", "-b", "+b", "+a"],
  ["xa", "xb", "-c", "+a", "+c", "+b"],
] as const;

describeLive("daemons that restart", () => {
  test("in any order, with changes in between: all replicas are equal", async () => {
    await using lab = await openSites({ names: ["a", "b", "c"], users: USERS });
    lab.tellWhenFailed();
    const { dovecot } = lab.site("a");
    await deliverAll(dovecot, mailFor(USERS, { seed: 1, count: 10 }));
    lab.configureSource("a", ["b", "c"]);
    lab.configureReplica("b", "a");
    lab.configureReplica("c", "a");
    await lab.startAll("a", ["b", "c"]);
    await using changes = await MixedChanges.open({ site: dovecot, user: "u1", droppedUser: "u2", seed: 7 });
    for (const step of STEPS) {
      for (const word of step) {
        await carryOut(lab, word);
        await changes.steps(4);
      }
      await lab.pair("a", "b").settleFiles();
    }
    for (const replica of ["b", "c"]) await lab.settle("a", replica);
    for (const name of ["a", "b", "c"]) await lab.site(name).daemon.stop();
  });
});

async function carryOut(lab: Sites, word: string): Promise<void> {
  const site = lab.site(word.slice(1));
  if (word.startsWith("+")) await site.start();
  else if (word.startsWith("x")) await site.daemon.kill9();
  else await site.daemon.stop(); // throws unless it exits with 0.
}
