/**
 * The messages of a mailbox as its directory shows them now.
 */
import { readdirSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";

/** A message file; all three are bytes in strings. */
export interface StoredMessage {
  readonly base: string;
  /** Below the mailbox: `cur/name:2,S`. */
  readonly path: string;
  /** Behind the colon: `2,S`, or "". */
  readonly info: string;
}

export function listMessages(mailbox: string): StoredMessage[] {
  return (["cur", "new"] as const).flatMap((place) =>
    readdirSync(nodePath(`${mailbox}/${place}`), { encoding: "latin1" })
      .filter((name) => !name.startsWith("."))
      .map((name) => {
        const [base = "", ...info] = name.split(":");
        return { base, path: `${place}/${name}`, info: info.join(":") };
      }),
  );
}
