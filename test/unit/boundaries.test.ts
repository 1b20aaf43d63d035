/**
 * The room boundaries hold, every module was looked at, and each rule reports what it forbids.
 *
 * The count matters: a cruiser that cannot read the sources reads none and reports success.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

interface Cruise {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: { readonly violations: readonly Violation[] };
}

/** Cruises `src` below `directory` under the house's rules. */
function cruise(directory: string): Cruise {
  const program = join(ROOT, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [program, "src", "--config", join(ROOT, ".dependency-cruiser.cjs"), "--output-type", "json"];
  const run = spawnSync(process.execPath, args, { cwd: directory, encoding: "utf8", maxBuffer: 1 << 28 });
  if (run.stdout === "") throw new Error(`dependency-cruiser said nothing: ${run.stderr}`);
  const result: Cruise = JSON.parse(run.stdout);
  return result;
}

test("the rooms import only downward, and every module was read", () => {
  const { modules, summary } = cruise(ROOT);
  expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual([]);
  const names = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" });
  const sources = names.filter((name) => name.endsWith(".ts")).map((name) => `src/${name}`);
  const cruised = modules.map(({ source }) => source).filter((source) => source.startsWith("src/"));
  expect(cruised.sort()).toEqual(sources.sort());
});

describe("planted violations", () => {
  /** By rule: a file and the import it may not have. */
  const PLANTED: readonly (readonly [rule: string, file: string, imported: string])[] = [
    ["rank-base", "src/base/a.ts", "../maildir/a.js"],
    ["rank-maildir", "src/maildir/a.ts", "../txn/a.js"],
    ["rank-txn", "src/txn/b.ts", "../wire/c.js"],
    ["rank-log", "src/log/b.ts", "../wire/c.js"],
    ["rank-wire", "src/wire/d.ts", "../log/c.js"],
    ["rank-claim", "src/claim/a.ts", "../apply/c.js"],
    ["rank-capture", "src/capture/a.ts", "../apply/c.js"],
    ["rank-apply", "src/apply/a.ts", "../resync/c.js"],
    ["rank-resync", "src/resync/a.ts", "../capture/c.js"],
    ["rank-agent", "src/agent/a.ts", "../daemon/c.js"],
    ["room-unknown", "src/attic/a.ts", "../base/c.js"],
    ["fs-place", "src/agent/b.ts", "node:fs"],
    ["fs-place", "src/agent/d.ts", "node:fs/promises"],
    ["net-place", "src/agent/e.ts", "node:tls"],
    ["subfolder-private", "src/agent/f.ts", "../txn/gen/c_pb.js"],
    ["no-cycle", "src/daemon/b.ts", "./d.js"],
    ["src-is-shipped", "src/daemon/e.ts", "../../test/c.js"],
    ["src-is-shipped", "src/daemon/f.ts", "../../bench/c.js"],
    ["no-dev-dependency", "src/daemon/g.ts", "fast-check"],
    ["no-unresolved", "src/daemon/h.ts", "./absent.js"],
  ];
  /** What a room may do. */
  const ALLOWED: readonly (readonly [file: string, imported: string])[] = [
    ["src/base/fs.ts", "node:fs"],
    ["src/wire/net.ts", "node:net"],
    ["src/wire/gen/e_pb.ts", "../../txn/gen/c_pb.js"],
    ["src/daemon/i.ts", "../agent/c.js"],
    ["src/daemon/d.ts", "./b.js"],
    ["src/maildir/c.ts", "../base/c.js"],
  ];
  let directory: string;

  function plant(file: string, text: string): void {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "mailtwin-rooms-"));
    symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
    symlinkSync(join(ROOT, "package.json"), join(directory, "package.json"));
    const rooms = ["base", "txn/gen", "wire", "log", "apply", "resync", "capture", "agent", "daemon"];
    for (const place of [...rooms.map((room) => `src/${room}`), "test", "bench"])
      plant(`${place}/c.ts`, "export {};\n");
    plant("src/txn/gen/c_pb.ts", "export {};\n");
    plant("src/maildir/a.ts", "");
    plant("src/txn/a.ts", "export {};\n");
    for (const [rule, file, imported] of PLANTED) {
      // Rooms are closed to types too; a module that has one place is closed only to what it does.
      const type = rule.endsWith("-place") ? "" : "type ";
      plant(file, `import ${type}* as x from "${imported}";\nexport type X = typeof x;\n`);
    }
    plant("src/maildir/type.ts", 'import type { Dirent } from "node:fs";\nexport type X = Dirent;\n');
    for (const [file, imported] of ALLOWED) plant(file, `import * as x from "${imported}";\nexport { x };\n`);
  });

  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  test("are reported, each by its own rule, and nothing else is", () => {
    const found = cruise(directory).summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
    const planted = PLANTED.map(([rule, file]) => `${rule}: ${file}`);
    expect([...new Set(found)].sort()).toEqual(planted.sort());
  });
});
