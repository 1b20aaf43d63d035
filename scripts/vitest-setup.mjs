/**
 * Runs once before any test: brings the compiled program up to date, since worker threads start from it.
 *
 * Type errors do not stop the tests (the compiler writes its output anyway, and `typecheck` is the judge of them), but
 * they are shown, for a stale worker may be the reason of a failure below.
 */
import { build } from "./build.mjs";

export default function setup() {
  const trouble = build("main");
  if (trouble !== "") process.stderr.write(`The build before the tests found errors:\n${trouble}\n`);
}
