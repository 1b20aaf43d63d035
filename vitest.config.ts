/**
 * Two projects: `unit` (everything that needs no Dovecot) and `live` (against real Dovecots).
 *
 * Tests import the TypeScript sources, but a worker thread is started by Node itself, which cannot read them. So the
 * build runs once before the tests, and `new URL("../room/x-worker.js", import.meta.url)` in a source file is read as the
 * compiled file of the same name. Whoever starts a worker therefore writes its URL in exactly this form.
 */
import { availableParallelism } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { longestFirst } from "./scripts/longest-first.mjs";
import { rewriteWorkerUrls } from "./scripts/worker-urls.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const SRC = join(ROOT, "src") + sep;

const compiledWorkers = {
  name: "mailtwin:compiled-workers",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    const file = id.split("?")[0] ?? id;
    if (!file.startsWith(SRC)) return undefined;
    const compiled = pathToFileURL(join(ROOT, "dist", relative(SRC, file))).href;
    const rewritten = rewriteWorkerUrls(code, compiled);
    // The replacement stays on its line, so line numbers in stack traces hold without a map.
    return rewritten === code ? undefined : { code: rewritten, map: null };
  },
};

class LongestFirst extends BaseSequencer {
  override async sort(specs: TestSpecification[]): Promise<TestSpecification[]> {
    return longestFirst(await super.sort(specs), ({ project, moduleId }) => {
      return { groupOrder: project.config.sequence.groupOrder, file: relative(ROOT, moduleId) };
    });
  }
}

export default defineConfig({
  test: {
    globalSetup: ["scripts/vitest-setup.mjs"],
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./scripts/not-run-reporter.mjs"],
    coverage: { provider: "v8", include: ["src/**/*.ts"], exclude: ["**/*_pb.ts"], reporter: ["text-summary", "html"] },
    projects: [
      {
        plugins: [compiledWorkers],
        test: {
          name: "unit",
          include: ["test/{unit,property,contract,sim}/**/*.test.ts"],
          testTimeout: 150_000, // only against one that hangs: on a busy machine a test of three seconds takes twenty.
          // One more than there are cores: many of these tests wait for a program that they have started.
          maxWorkers: availableParallelism() + 1,
          // One process for many files: loading the sources anew for each was a quarter of the time. So a test leaves the
          // process as it found it (working directory, environment, timers).
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins: [compiledWorkers],
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts"],
          testTimeout: 300_000, // as above: a test of twenty seconds takes two minutes there.
          hookTimeout: 300_000,
          fileParallelism: true,
          // Twice the two cores that they are made for: these tests wait for other processes, disks, locks and clocks half of their time.
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
