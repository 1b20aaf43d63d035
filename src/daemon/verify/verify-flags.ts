/** What may be said to `mailtwin verify`. */
import { systemClock } from "../../base/clock.js";
import type { ControlFlags } from "../control/find-control.js";
import { daemonError } from "../errors.js";
import type { RemoteFlags } from "../remote-flags.js";
import { type Sample, sampleOf, WHOLE } from "./deep.js";

export interface VerifyFlags extends ControlFlags, RemoteFlags {
  readonly quiet?: boolean;
  /** Seconds. */
  readonly settle?: string;
  readonly store?: string;
  readonly replica?: string;
  readonly deep?: boolean;
  readonly sample?: string;
  readonly repair?: boolean;
  readonly trustSource?: boolean;
  readonly acceptUidvalidity?: boolean;
  readonly foreign?: "keep" | "limbo";
  readonly state?: string;
}

/** What is read; undefined: only what changed. Throws: usage. */
export function sampleIn({ deep, sample }: VerifyFlags): Sample | undefined {
  if (sample === undefined) return deep === true ? WHOLE : undefined;
  if (deep === true) throw daemonError("usage", "reading the command line: --deep reads all, --sample a part: say one");
  return sampleOf(sample, systemClock.nowMs());
}
