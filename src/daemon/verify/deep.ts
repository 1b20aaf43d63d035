/** Which messages `verify --deep` and `--sample` read, and how far they are. */
import type { DeepOptions } from "../../resync/verify-stores.js";
import { daemonError } from "../errors.js";

const DAY_MS = 86_400_000;
const PARTS_MIN = 2;
const PARTS_MAX = 366;

/** Which of so many parts is read. */
export interface Sample {
  readonly parts: number;
  /** From 0. */
  readonly turn: number;
}

/** "1/30": one part of thirty, another one each day (UTC). Throws: usage. */
export function sampleOf(text: string, nowMs: number): Sample {
  const [, parts] = /^1\/(\d{1,3})$/.exec(text) ?? [];
  const count = Number(parts);
  if (!(count >= PARTS_MIN && count <= PARTS_MAX))
    throw daemonError(
      "usage",
      `reading the command line: --sample takes 1/${PARTS_MIN} to 1/${PARTS_MAX}, such as 1/30`,
    );
  return { parts: count, turn: Math.floor(nowMs / DAY_MS) % count };
}

/** Each chunk is in one of the parts, whatever else is in its mailbox. */
export function isInSample({ parts, turn }: Sample): DeepOptions["isChosen"] {
  return (mailbox, chunk) => (Number.parseInt(mailbox.slice(-8), 16) + chunk) % parts === turn;
}

export const WHOLE: Sample = { parts: 1, turn: 0 };
