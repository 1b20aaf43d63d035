/**
 * A session that IDLEs on one mailbox and collects what the server tells it, as another client would see it live.
 *
 * Dovecot batches for 500 ms after a change on disk, so an event comes half a second late at best.
 */
import type { ImapFlow } from "imapflow";
import type { DovecotSite } from "./dovecot.js";
import { connect, select } from "./imap.js";
import { until } from "./until.js";

export type IdleEvent =
  | { readonly kind: "exists"; readonly count: number; readonly atMs: number }
  | { readonly kind: "expunge"; readonly seq: number; readonly atMs: number }
  | { readonly kind: "fetch"; readonly seq: number; readonly flags: readonly string[]; readonly atMs: number };

export interface IdleSession extends AsyncDisposable {
  readonly client: ImapFlow;
  /** Grows while the session lives; `atMs` is on the `performance.now()` clock. */
  readonly events: readonly IdleEvent[];
  /** Whether the server still holds the connection; Dovecot drops it when the mailbox becomes inconsistent. */
  isOpen(): boolean;
  /** The first event, past or to come, that fits; throws with all events when the deadline passes. */
  waitFor(what: string, fits: (event: IdleEvent) => boolean, deadlineMs?: number): Promise<IdleEvent>;
}

const EVENT_MS_MAX = 10_000;

/** Selects `path` and returns once the server has acknowledged IDLE. */
export async function startIdle(site: DovecotSite, user: string, path: string): Promise<IdleSession> {
  const client = await connect(site, user, { emitLogs: true });
  const events: IdleEvent[] = [];
  const atMs = (): number => performance.now();
  client.on("exists", ({ count }) => events.push({ kind: "exists", count, atMs: atMs() }));
  client.on("expunge", ({ seq }) => events.push({ kind: "expunge", seq: seq ?? 0, atMs: atMs() }));
  client.on("flags", ({ seq, flags }) => events.push({ kind: "fetch", seq, flags: [...flags].sort(), atMs: atMs() }));
  let acknowledged = false;
  client.on("log", ({ msg }) => {
    // The only sign imapflow gives of the server's "+ idling".
    if (typeof msg === "string" && msg.startsWith("Initiated IDLE")) acknowledged = true;
  });
  await select(client, path);
  events.length = 0; // what SELECT itself reported is the state before.
  const idling = client.idle();
  idling.catch(() => {}); // it rejects when the connection closes, which `isOpen` reports.
  await until(`${site.name}: IDLE on ${path}`, () => acknowledged, { deadlineMs: EVENT_MS_MAX });
  return {
    client,
    events,
    isOpen: () => client.usable,
    waitFor: async (what, fits, deadlineMs = EVENT_MS_MAX) => {
      const describeEvents = (): string => `events so far: ${JSON.stringify(events)}`;
      await until(`${what} in IDLE of ${site.name}`, () => events.some(fits), {
        deadlineMs,
        pollMs: 5,
        detail: describeEvents,
      });
      const found = events.find(fits);
      if (found === undefined) throw new Error(`event vanished: ${what}`);
      return found;
    },
    [Symbol.asyncDispose]: async () => {
      if (client.usable) await client.logout(); // else the server has closed it.
    },
  };
}
