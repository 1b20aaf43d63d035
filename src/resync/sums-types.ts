/** One side of a comparison of two stores, and the thread that looks at a store. */
import type { Site } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { MessageState } from "../txn/message-state.js";
import type {
  MessageMark,
  MessagePart,
  MessagesOf,
  NamedMessage,
  PartsOf,
  RangeSum,
  SpansOf,
  StoreSum,
  SummedMailbox,
} from "../wire/sums.js";

/**
 * One side of a comparison. A mailbox is named by its path on that side, as the last `mailboxes` said it. What changes between two questions
 * shows in the later answer only: whoever compares looks again at what differs. Throws: compared-unknown for a mailbox that is gone since.
 */
export interface SummedSide {
  /** Looks at the store anew. Files of mailboxes that did not change since an earlier look are not looked at. */
  store(signal: AbortSignal): Promise<StoreSum>;
  /** Those of the last look, by path, above `after`; undefined: from the first. None: there are no more. */
  mailboxes(after: RawPath | undefined, signal: AbortSignal): Promise<readonly SummedMailbox[]>;
  /** Of the parts of each span (`partsOf`), one span after the other; at most `SPANS_MAX` spans. */
  ranges(of: SpansOf, signal: AbortSignal): Promise<readonly RangeSum[]>;
  /** Ascending by UID: of the messages in the spans the first `MARKS_MAX`. */
  marks(of: SpansOf, signal: AbortSignal): Promise<readonly MessageMark[]>;
  /** Of those that are there, ascending; at most `STATES_MAX` are asked for. */
  states(of: MessagesOf, signal: AbortSignal): Promise<readonly MessageState[]>;
  /** SHA-256 in the order of the question, at most `STATES_MAX`: the bytes are read. Undefined: it is not there, or cannot be read. */
  hashes(of: MessagesOf, signal: AbortSignal): Promise<readonly (string | undefined)[]>;
}

/** A side whose messages can be had. */
export interface ReadSide extends SummedSide {
  /**
   * Of the first messages of the question, in its order: at least one part, and all but the last are whole; that is if it does not make the
   * answer have PARTS_BYTES_MAX bytes. With `looksOnly` a part of each, without bytes.
   * Throws: compared-unknown; compared-unsupported, where nobody knows what replication has written there.
   */
  parts(of: PartsOf, signal: AbortSignal): Promise<readonly MessagePart[]>;
}

export interface SumsOptions {
  /** Absolute, bytes-in-a-string. */
  readonly storeRoot: string;
  /** Which directory that is. */
  readonly storeSite: Site | undefined;
  /** Where sums are kept for the next look; undefined: nowhere. */
  readonly cachePath: string | undefined;
}

/** The thread that looks at one store, for as long as somebody needs it. */
export interface SumsPort {
  take(): WorkerClient<SumsMethods>;
  /** As often as `take`. */
  giveBack(): void;
}

/** The methods of the worker. As `SummedSide`, but for `look`: all mailboxes as they stand now, by path. */
export interface SumsMethods {
  look(): Promise<readonly SummedMailbox[]>;
  ranges(of: SpansOf): Promise<readonly RangeSum[]>;
  marks(of: SpansOf): Promise<readonly MessageMark[]>;
  states(of: MessagesOf): Promise<readonly MessageState[]>;
  hashes(of: MessagesOf): Promise<readonly (string | undefined)[]>;
  parts(of: AllowedParts): Promise<readonly MessagePart[]>;
}

/** Undefined in the place of a message that is not to be read. */
export interface AllowedParts extends Omit<PartsOf, "messages"> {
  readonly messages: readonly (NamedMessage | undefined)[];
}
