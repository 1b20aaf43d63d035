/** The set-up that tests of a replica share: one in a temporary directory for each test, removed afterwards. */
import { afterEach, beforeEach } from "vitest";
import { openReplica, type Replica } from "./replica-fixture.js";

/** Call it once at the top of a test file; `use` gets each test's replica before the test runs. */
export function eachReplica(use: (replica: Replica) => void): void {
  let opened: Replica | undefined;
  beforeEach(async () => {
    opened = await openReplica();
    use(opened);
  });
  afterEach(() => {
    opened?.remove();
    opened = undefined;
  });
}
