/** The state of a store that was never replicated: for a dry run, which has no database. */
import type { StateReader } from "../log/state-ports.js";

export type BaselineReader = Pick<
  StateReader,
  "chunk" | "looks" | "mailboxByGuid" | "mailboxes" | "meta" | "nextMailboxId"
> &
  Disposable;

export const EMPTY_STATE: BaselineReader = {
  chunk: () => undefined,
  looks: () => [],
  mailboxByGuid: () => undefined,
  mailboxes: () => [],
  meta: () => undefined,
  nextMailboxId: () => 1,
  [Symbol.dispose]: () => undefined,
};
