/**
 * Runs once before any test: brings the compiled program up to date, since worker threads and command lines start from it.
 *
 * A build that fails ends the run with its output. Were the tests to go on, they would judge the sources on the main thread and
 * an older program in every other, and a green one would prove nothing. Type errors in `src/` count: a program that does not
 * compile has no defined meaning, and the compiler writes no bundle of it.
 */
import { build } from "./build.mjs";

export default function setup() {
  const trouble = build("main");
  if (trouble === "") return;
  const error = new Error(`The build before the tests failed, so dist/ is not what the sources say:\n${trouble}`);
  error.stack = error.message; // where it was thrown tells nothing; the compiler's own words do.
  throw error;
}
