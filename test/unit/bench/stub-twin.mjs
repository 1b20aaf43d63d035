/**
 * Stands in for mailtwin where only the harness is tested: `sync` copies with rsync, again and again with --watch; `verify` compares
 * file names. What is reached as x:PATH lies here too; the command of `-e` is started, and is told something. With STUB_LIES, all is equal.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const [verb, source, reached] = process.argv.slice(2);
const target = reached.replace(/^x:/, "");
const carrier = process.argv.includes("-e") ? process.argv[process.argv.indexOf("-e") + 1] : undefined;
if (carrier !== undefined) spawnSync(carrier, ["-T", "x", "--", "cat"], { input: "asked" });

const copy = () =>
  spawnSync("rsync", ["-a", "--delete", "--exclude=tmp/*", "--exclude=*.lock", `${source}/`, `${target}/`]);

function mailboxesOf(root) {
  const folders = readdirSync(root, { withFileTypes: true }).filter(({ name }) => /^\../.test(name));
  return ["", ...folders.map(({ name }) => name)].map((path) => {
    const names = ["cur", "new"].flatMap((place) => readdirSync(join(root, path, place)));
    const uidlist = readFileSync(join(root, path, "dovecot-uidlist"), "latin1");
    return { names, uidlist, guid: / G([0-9a-f]+)/.exec(uidlist)?.[1] };
  });
}

function verify() {
  const [a, b] = [mailboxesOf(source), mailboxesOf(target)];
  const sum = (side) => ({ mailboxes: side.length, messages: side.flatMap(({ names }) => names).length });
  const differences = a.flatMap(({ names, uidlist, guid }, at) => {
    const findings = names.flatMap((name) => {
      if (b[at].names.includes(name)) return [];
      const line = uidlist.split("\n").find((record) => record.endsWith(` :${name.split(":")[0]}`));
      return [{ kind: "message", uid: Number(line?.split(" ")[0]) }];
    });
    return findings.length === 0 ? [] : [{ guid, findings, further: 0 }];
  });
  const told = process.env["STUB_LIES"] === undefined ? differences : [];
  const verdict = { equal: told.length === 0, a: sum(a), b: sum(b), differences: told };
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
  process.exitCode = verdict.equal ? 0 : 1;
}

if (verb === "verify") verify();
else copy();
if (process.argv.includes("--watch")) {
  let isStopped = false;
  process.on("SIGINT", () => {
    isStopped = true;
  });
  process.stdout.write('{"event":"live"}\n');
  while (!isStopped) {
    copy();
    await delay(20);
  }
  copy();
}
