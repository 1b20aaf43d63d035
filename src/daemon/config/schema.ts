/**
 * What may stand in a configuration: tables, keys, the form of each value. One description, from which come the values, the
 * problems of form and the JSON schema. What only the whole can tell (names that nobody has, stores in stores) is in
 * judge-names.ts and judge-paths.ts.
 */

import * as z from "zod";
import {
  type Bounds,
  type ByteCount,
  type Reading,
  readByteCount,
  readDurationMs,
  wrong,
} from "../../base/quantity.js";
import { isRawPath, rawFromText } from "../../base/raw-name.js";
import { BRAKE_LIMITS } from "../../capture/brake.js";
import { readAddress, readHostPort } from "../../wire/address.js";
import { LOG_LEVELS } from "../log-reporter.js";
import { SCRUB_EVERY, SCRUB_RATE, SCRUB_RATE_DEFAULT } from "../scrub/limits.js";
import { UNDELETE_FOR, UNDELETE_SIZE } from "../undelete/limits.js";
import { NAME_PATTERN } from "./names.js";
import { readPath, readSocketPath } from "./path.js";

export const MODES = ["live", "on-demand"] as const;
export const FOREIGN = ["keep", "limbo"] as const;

const LOG_SIZE: Bounds = { least: "16MiB", most: "64TiB" };
const LOG_AGE: Bounds = { least: "1h", most: "3650d" };
const ALARM: Bounds = { least: "1m", most: "3650d" };
const BRAKE_WINDOW: Bounds = { least: "1m", most: "7d" };
const MESSAGES_MAX = 1_000_000_000;
const USERS_MAX = 1000;

interface Meta {
  readonly description: string;
  /** As it is written after the equals sign; advice shows it. */
  readonly example: string;
}

/** A text with a grammar of its own. */
function text<T>(read: (text: string) => Reading<T>, meta: Meta) {
  return z
    .string()
    .meta({ ...meta })
    .transform((written, context): T => {
      const reading = read(written);
      if (reading.kind === "value") return reading.value;
      const { why, advice } = reading;
      context.issues.push({ code: "custom", input: written, message: why, params: { advice } });
      return z.NEVER;
    });
}

function list<T extends z.ZodType>(element: T, meta: Meta) {
  return z.array(element).meta({ ...meta });
}

const path = (meta: Meta) => text(readPath, meta);
const socket = (meta: Meta) => text(readSocketPath, meta);
const address = (meta: Meta) => text(readAddress, meta);
/** Names of others; whether there is one of that name is asked of the whole. */
const name = (meta: Meta) => z.string().meta({ ...meta });

/** By name. The rule for names is the JSON schema's only: zod would not look into a table with a wrong name (judge-names.ts does). */
function named<T extends z.ZodType>(value: T, description: string) {
  const propertyNames = { type: "string", pattern: NAME_PATTERN.source };
  return z.record(z.string(), value).meta({ description, propertyNames });
}

/** SHA-256 of the public key, as `openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64` has it. */
function readFingerprint(written: string): Reading<string> {
  const example = `write "sha256:" and the 44 characters that the peer's own mailtwin tells`;
  const [, base64 = ""] = /^sha256:([A-Za-z0-9+/]{43})=?$/.exec(written) ?? [];
  if (base64 === "") return wrong("that is no fingerprint of a key", example);
  const bytes = Buffer.from(base64, "base64");
  const canonical = bytes.toString("base64");
  if (canonical !== `${base64}=`)
    return wrong("that is no fingerprint of a key: its last letter has bits to spare", example);
  return { kind: "value", value: `sha256:${canonical}` };
}

function readGlob(written: string): Reading<string> {
  const advice = `write a pattern of users, as "*@example.org"`;
  if (written === "") return wrong("an empty pattern means no user", advice);
  if (Buffer.byteLength(written) > 255) return wrong("a pattern has at most 255 bytes", advice);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  if (/[\x00-\x1f\x7f]/.test(written)) return wrong("a pattern has no control characters", advice);
  return { kind: "value", value: written };
}

const log = {
  max_size: text<ByteCount>((written) => readByteCount(written, LOG_SIZE), {
    description: `How large the log of a store may grow for the sake of a replica that lags; from ${LOG_SIZE.least} to ${LOG_SIZE.most}. A replica that lags further is compared anew.`,
    example: '"1GiB"',
  }).prefault("1GiB"),
  max_age: text((written) => readDurationMs(written, LOG_AGE), {
    description: `How long the log keeps what a replica has not got; from ${LOG_AGE.least} to ${LOG_AGE.most}. A replica that lags longer is compared anew.`,
    example: '"14d"',
  }).prefault("14d"),
};

const listen = {
  tls: list(text(readHostPort, { description: "host:port", example: '"[::]:4417"' }), {
    description: "Where peers dial in by TLS.",
    example: '["[::]:4417"]',
  }).prefault([]),
  unix: list(socket({ description: "The path of a socket.", example: '"/run/mailtwin/link.sock"' }), {
    description: "Sockets on which peers of the same machine dial in.",
    example: '["/run/mailtwin/link.sock"]',
  }).prefault([]),
};

const identity = {
  key: path({
    description: "The file of this host's private key. Needed for TLS.",
    example: '"/etc/mailtwin/identity.key"',
  }).optional(),
  name: name({
    description: "What this host calls itself where no key says who it is: on unix sockets.",
    example: '"a"',
  }).optional(),
};

const peer = {
  key: text(readFingerprint, {
    description: "SHA-256 of the peer's public key (SPKI), in base64. Needed for TLS.",
    example: '"sha256:BASE64"',
  }).optional(),
  may_read: list(name({ description: "A store of this file.", example: '"mail"' }), {
    description: "Stores that the peer may fetch when it dials in.",
    example: '["mail"]',
  }).prefault([]),
  may_write: list(name({ description: "A store of this file.", example: '"mail"' }), {
    description: "Stores that the peer may send to when it dials in.",
    example: '["mail"]',
  }).prefault([]),
  users: list(text(readGlob, { description: "A pattern.", example: '"*@example.org"' }), {
    description: "Patterns of the users to which its rights are limited; all users where there is none.",
    example: '["*@example.org"]',
  })
    .refine((globs) => globs.length <= USERS_MAX, {
      message: `there are more than ${USERS_MAX} patterns`,
      params: { advice: "use wider ones" },
    })
    .optional(),
};

const replica = {
  to: address({
    description: "Where the replica is dialled; absent: it dials in.",
    example: '"tls://b.example.org:4417"',
  }).optional(),
  peer: name({
    description: "Who it is: a [peer.NAME]. Needed for tls, and where it dials in.",
    example: '"b"',
  }).optional(),
  store: text(readOtherName, {
    description: "The store's name on the other side; the same where absent.",
    example: '"mail"',
  }).optional(),
  mode: z
    .enum(MODES)
    .meta({ description: "live: at once and always; on-demand: when asked.", example: '"live"' })
    .prefault("live"),
  unreachable_alarm: text((written) => readDurationMs(written, ALARM), {
    description: `How long a replica may have no link before a person has to look; from ${ALARM.least} to ${ALARM.most}. Default: 1h where it is dialled, never where it dials in. Not for one that is dialled on-demand.`,
    example: '"1h"',
  }).optional(),
  foreign: z
    .enum(FOREIGN)
    .meta({
      description:
        "Mail that only the replica has at first contact: keep it beside, or move it to limbo. Absent: such a replica is refused.",
      example: '"keep"',
    })
    .optional(),
};

const source = {
  peer: name({
    description: "Who sends: a [peer.NAME]. Needed for tls, and where it dials in.",
    example: '"a"',
  }).optional(),
  store: text(readOtherName, {
    description: "The store's name on the other side; the same where absent.",
    example: '"mail"',
  }).optional(),
  from: address({
    description: "Where the source is dialled; absent: it dials in.",
    example: '"tls://a.example.org:4417"',
  }).optional(),
};

function readOtherName(written: string): Reading<string> {
  if (NAME_PATTERN.test(written)) return { kind: "value", value: written };
  return wrong("that is no name of a store", "write the NAME of its [store.NAME] on the other side");
}

/** "20%" to 0.2. */
function readShare(written: string): Reading<number> {
  const [, digits = ""] = /^(\d{1,3})%$/.exec(written) ?? [];
  const percent = Number(digits);
  if (digits !== "" && percent <= 100) return { kind: "value", value: percent / 100 };
  return wrong("that is no share", 'write a whole number from 0 to 100 and "%", as "20%"');
}

const messages = z.int().min(1).max(MESSAGES_MAX);
const { messages: messagesMax, smallStoreMessages, inDeletedMailboxes, uncounted } = BRAKE_LIMITS;

const brake = {
  enabled: z
    .boolean()
    .meta({ description: "Whether deletions are held back at all when they are many.", example: "true" })
    .prefault(true),
  messages: messages
    .meta({
      description: "So many messages may go within the window without a question.",
      example: String(messagesMax),
    })
    .prefault(messagesMax),
  share: text(readShare, {
    description: "And so large a share of the store, where that is more.",
    example: '"20%"',
  }).prefault("20%"),
  small_store_share: text(readShare, {
    description:
      "But no more than such a share of the store, so that a small one has a brake, too; 100% means that it has none.",
    example: '"50%"',
  }).prefault("50%"),
  small_store_messages: messages
    .meta({
      description: "Unless these are more: so few may go of any store.",
      example: String(smallStoreMessages),
    })
    .prefault(smallStoreMessages),
  in_deleted_mailboxes: messages
    .meta({
      description: "So many messages may go with their mailboxes within the window without a question.",
      example: String(inDeletedMailboxes),
    })
    .prefault(inDeletedMailboxes),
  window: text((written) => readDurationMs(written, BRAKE_WINDOW), {
    description: `Within which deletions are counted; from ${BRAKE_WINDOW.least} to ${BRAKE_WINDOW.most}.`,
    example: '"10m"',
  }).prefault("10m"),
  uncounted: list(name({ description: "As clients name it.", example: '"Trash"' }), {
    description: "Mailboxes out of which any number of messages may go: what users have thrown away already.",
    example: JSON.stringify(uncounted.slice(0, 2)),
  }).prefault([...uncounted]),
};

const scrub = {
  every: text<number | undefined>(readEvery, {
    description: `Within which time all bodies are read again, here and on each replica, and compared; from ${SCRUB_EVERY.least} to ${SCRUB_EVERY.most}, or off.`,
    example: '"30d"',
  }).prefault("off"),
  max_rate: text<ByteCount>((written) => readByteCount(written, SCRUB_RATE), {
    description: `How much of that is read in a second at the most, on each side; from ${SCRUB_RATE.least} to ${SCRUB_RATE.most}.`,
    example: JSON.stringify(SCRUB_RATE_DEFAULT),
  }).prefault(SCRUB_RATE_DEFAULT),
};

function readSentinel(written: string): Reading<string> {
  if (written !== "" && isRawPath(rawFromText(written))) return { kind: "value", value: written };
  return wrong("that is no path below the store", 'write it without "/" before it and without "..", as "store.here"');
}

function readEvery(written: string): Reading<number | undefined> {
  return written === "off" ? { kind: "value", value: undefined } : readDurationMs(written, SCRUB_EVERY);
}

const store = {
  path: path({ description: "The Maildir, or the directory that holds many.", example: '"/var/vmail"' }),
  scratch: path({
    description: "Staging and limbo, on the store's file system; absent: beside the store.",
    example: '"/var/.mailtwin-vmail"',
  }).optional(),
  undelete_for: text((written) => readDurationMs(written, UNDELETE_FOR), {
    description: `How long what replication removed here stays in the limbo; from ${UNDELETE_FOR.least} to ${UNDELETE_FOR.most}. Counts while the store has a source.`,
    example: '"7d"',
  }).prefault("7d"),
  undelete_max_size: text<ByteCount>((written) => readByteCount(written, UNDELETE_SIZE), {
    description: `How large the limbo may grow before the oldest goes earlier; from ${UNDELETE_SIZE.least} to ${UNDELETE_SIZE.most}. Absent: as large as it gets.`,
    example: '"10GiB"',
  }).optional(),
  sentinel: text(readSentinel, {
    description:
      "A file that you make in the store, by its path below it: where it is not there that is not the store, and nothing is taken for deleted. Of a source.",
    example: '"store.here"',
  }).optional(),
  scrub: z
    .strictObject(scrub)
    .meta({ description: "Whether bodies are read again and again, to find those that were changed. Of a source." })
    .prefault({}),
  brake: z
    .strictObject(brake)
    .meta({ description: "How many deletions at the source are held back until a person has decided." })
    .prefault({}),
};

const top = {
  state_dir: path({
    description: "Where the state is kept. Default: /var/lib/mailtwin as root, else $XDG_STATE_HOME/mailtwin/daemon.",
    example: '"/var/lib/mailtwin"',
  }).optional(),
  control: socket({
    description:
      "The socket of the running daemon. Default: /run/mailtwin/control.sock as root, else $XDG_RUNTIME_DIR/mailtwin/control.sock.",
    example: '"/run/mailtwin/control.sock"',
  }).optional(),
  log_level: z.enum(LOG_LEVELS).meta({ description: "What is logged at least.", example: '"info"' }).prefault("info"),
};

/** All of it. */
export const configSchema = z.strictObject({
  ...top,
  log: z.strictObject(log).prefault({}),
  listen: z.strictObject(listen).prefault({}),
  identity: z.strictObject(identity).optional(),
  peer: named(z.strictObject(peer), "Who may dial in, or is dialled.").prefault({}),
  store: named(
    z.strictObject({
      ...store,
      replica: named(z.strictObject(replica), "Where the store is sent.").optional(),
      source: z.strictObject(source).meta({ description: "Where the store comes from." }).optional(),
    }),
    "The stores: each a source, or a replica.",
  ).prefault({}),
});

/** The same without anything that must be there: what is left of a configuration when all that is wrong has been taken out. */
export const draftSchema = z.strictObject({
  ...top,
  log: z.strictObject(log).prefault({}),
  listen: z.strictObject(listen).prefault({}),
  identity: z.strictObject(identity).partial().optional(),
  peer: z.record(z.string(), z.strictObject(peer).partial()).prefault({}),
  store: z
    .record(
      z.string(),
      z.strictObject({
        ...z.strictObject(store).partial().shape,
        replica: z.record(z.string(), z.strictObject(replica)).optional(),
        source: z.strictObject(source).optional(),
      }),
    )
    .prefault({}),
});

/** Values of the right form, not judged as a whole yet. */
export type WrittenConfig = z.output<typeof configSchema>;
export type DraftConfig = z.output<typeof draftSchema>;

/** JSON Schema, draft 2020-12, of what may be written. */
export function jsonSchema(): JsonSchema {
  const made = z.toJSONSchema(configSchema, {
    io: "input",
    override: ({ jsonSchema: node }) => {
      const { example } = node;
      if (typeof example !== "string") return;
      delete node["example"];
      node.examples = [JSON.parse(example)]; // what we write as examples is the same in TOML and JSON.
    },
  });
  const { $schema, ...rest } = JSON.parse(JSON.stringify(made)) as JsonSchema; // without what zod adds for programs.
  return { $schema, title: "mailtwin.toml", ...rest };
}

/** As far as it is read here. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly examples?: readonly unknown[];
  readonly [key: string]: unknown;
}
