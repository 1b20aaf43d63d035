/** One command to its exit code. */
import { MailtwinError } from "../base/errors.js";
import { openJsonReporter } from "./json-reporter.js";
import type { Output } from "./output.js";

/** An error is told as JSON where that was asked for; else whoever runs the command line tells it. */
export async function exitWith(
  { json }: { readonly json?: boolean },
  output: Output,
  work: () => Promise<number>,
): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (json !== true || !(error instanceof MailtwinError)) throw error;
    openJsonReporter(output.out).error(error);
    process.exitCode = error.exitCode;
  }
}
