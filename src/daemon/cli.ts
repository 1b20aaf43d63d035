#!/usr/bin/env node
/**
 * The entry: refuses a Node that cannot run the program, then loads the program. Debian 12's own Node ends with a bare SyntaxError
 * about node:crypto, and exit code 1, before a line of ours is run.
 *
 * INVARIANT: nothing is imported here but what any Node has: static imports are loaded first, with all that they import.
 */
import { whyTooOld } from "./node-version.js";

/** EX_OSERR. The name is in a module that is not loaded yet. */
const OSERR = 71;

const why = whyTooOld(process.versions.node);
if (why === undefined) {
  const { runCommandLine } = await import("./command-line.js");
  await runCommandLine();
} else {
  process.stderr.write(`${why} (${process.execPath}).\nInstall it (Debian 13: nodejs; else https://nodejs.org).\n`);
  process.exitCode = OSERR;
}
