/** The limbo of a replica of the running daemon, asked for by that over the link that it has: it leaves the files in the source's state directory. */
import * as z from "zod";
import { isRawPath, type RawPath } from "../../base/raw-name.js";
import { isMailboxGuid, type MailboxGuid, UID_MAX } from "../../maildir/ids.js";
import { isLimboEntry, isLimboFile } from "../../wire/limbo.js";
import { onOneLine } from "../config/problem.js";
import { askDaemon, type ControlPlace } from "../control/control-client.js";
import type { ReplicaTarget } from "../control/daemon-control.js";
import { controlError } from "../control-errors.js";
import type { FarLimbo } from "./far-limbo.js";
import type { FetchedFile, WantedFile } from "./fetch-limbo.js";

/** Of the files of one question, as they stand in its body: that is bounded (CONTROL_LIMITS). */
const ASKED_BYTES_MAX = 6 * 1024;
/** A large message over a slow line takes long. */
const ANSWER_MS_MAX = 6 * 3_600_000;

const count = z.int().nonnegative();
const entry = z.string().refine(isLimboEntry);
const pageSchema = z.looseObject({
  rows: z.array(
    z.looseObject({
      ...{ name: entry, mailbox: z.custom<MailboxGuid>(isMailboxGuid), path: z.custom<RawPath>(isPath) },
      ...{ uid: count.max(UID_MAX), base: z.string().max(255), size: count, cause: z.string().regex(/^[a-z-]{1,32}$/) },
      ...{ removedMs: count, isThere: z.boolean() },
    }),
  ),
  more: z.boolean(),
});
const filesSchema = z.looseObject({
  files: z.array(z.looseObject({ file: z.string().refine(isLimboFile), size: count })),
  more: z.boolean(),
});
const fetchedSchema = z.looseObject({
  files: z.array(
    z.union([
      z.looseObject({ why: z.string() }),
      z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), virtualSize: count }),
    ]),
  ),
});

/** Each call throws: the codes of asking a daemon; store-not-ready, where the replica is not there; what its limbo is refused with. */
export function openDaemonLimbo(place: ControlPlace, { store, replica }: ReplicaTarget): FarLimbo {
  const ask = <T>(route: string, body: object, answer: z.ZodType<T>) =>
    askDaemon(place, {
      ...{ method: "POST", route: `undelete/${route}`, body: { store, replica, ...body }, answer },
      waitMsMax: ANSWER_MS_MAX,
    });
  return {
    page: (after) => ask("list", { after }, pageSchema),
    files: (name, after) => ask("files", { name, after }, filesSchema),
    async fetch(wanted) {
      const asked = firstOf(wanted);
      const { files } = await ask("fetch", { files: asked }, fetchedSchema);
      if (files.length === 0 || files.length > asked.length)
        throw controlError("control-invalid", `asking the daemon at ${place.path}: it tells of other files`);
      return files.map((it): FetchedFile => {
        if ("why" in it && typeof it.why === "string") return { why: onOneLine(it.why) };
        const { sha256, virtualSize } = it as { readonly sha256: string; readonly virtualSize: number };
        return { why: undefined, sha256, virtualSize };
      });
    },
  };
}

/** At least one. */
function firstOf(wanted: readonly WantedFile[]): readonly WantedFile[] {
  let left = ASKED_BYTES_MAX;
  const end = wanted.findIndex((it, at) => {
    left -= Buffer.byteLength(JSON.stringify(it)) + 1;
    return left < 0 && at > 0;
  });
  return end < 0 ? wanted : wanted.slice(0, end);
}

function isPath(value: unknown): boolean {
  return typeof value === "string" && isRawPath(value);
}
