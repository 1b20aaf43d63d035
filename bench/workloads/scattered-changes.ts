/**
 * A day's changes all over a store, as Dovecot makes them on files: new mail, flags, expunges, and moves between mailboxes.
 */
import { expungeMessage, keywordsOf, moveMessage } from "../dovecot/change.js";
import { deliver } from "../dovecot/deliver.js";
import { listMessages, type StoredMessage } from "../dovecot/list-messages.js";
import { toggleFlagged } from "../dovecot/store-many.js";
import { walkStore } from "../equal/walk-store.js";
import { createRandom } from "../generate/random.js";
import { composeBodies } from "./deliveries.js";

export const SCATTERED = { arrivals: 40, flags: 30, expunges: 20, moves: 10 } as const;
export const SCATTERED_CHANGES = SCATTERED.arrivals + SCATTERED.flags + SCATTERED.expunges + SCATTERED.moves;

interface Placed {
  readonly mailbox: string;
  readonly message: StoredMessage;
}

/** Another seed, other changes. No message is changed twice. Returns the bodies of the new mails. */
export function scatterChanges(store: string, seed: number): readonly Buffer[] {
  const random = createRandom(seed, 0);
  const mailboxes = walkStore(store).mailboxes.map((path) => (path === "" ? store : `${store}/${path}`));
  const all: Placed[] = mailboxes.flatMap((mailbox) =>
    listMessages(mailbox)
      .filter(({ path }) => path.startsWith("cur/"))
      .map((message) => ({ mailbox, message })),
  );
  const take = (): Placed => {
    const at = random.below(all.length);
    const last = all.pop();
    const taken = at === all.length ? last : all[at];
    if (last === undefined || taken === undefined) throw new RangeError(`${store} has too few mails to change`);
    if (taken !== last) all[at] = last;
    return taken;
  };
  const times = (count: number, change: (placed: Placed) => void): void => {
    for (let done = 0; done < count; done++) change(take());
  };
  const bodies = composeBodies(SCATTERED.arrivals, seed);
  for (const body of bodies) deliver(random.pick(mailboxes), body, { sync: false });
  times(SCATTERED.flags, ({ mailbox, message }) => toggleFlagged(mailbox, [message]));
  times(SCATTERED.expunges, ({ mailbox, message }) => expungeMessage(mailbox, message));
  times(SCATTERED.moves, ({ mailbox, message }) => {
    const target = random.pick(mailboxes.filter((other) => other !== mailbox));
    moveMessage(mailbox, target, message, keywordsOf(mailbox, message));
  });
  return bodies;
}
