/** What a configuration means: values and defaults; what is shown reads as the same; the pages' examples are right. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Config } from "../../../src/daemon/config/config.js";
import { defaultConfigFile, defaultControl, defaultStateDir } from "../../../src/daemon/config/default-places.js";
import { judgeConfig } from "../../../src/daemon/config/judge-config.js";
import { formatProblem } from "../../../src/daemon/config/problem.js";
import { jsonSchema } from "../../../src/daemon/config/schema.js";
import { configAsJson, configAsToml } from "../../../src/daemon/config/show-config.js";

const ROOT = { isRoot: true, home: "/root", env: {} };
const KEY = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

function configOf(text: string, surroundings: Parameters<typeof judgeConfig>[1] = ROOT): Config {
  const judged = judgeConfig({ files: ["f"], texts: [{ file: "f", text }], problems: [] }, surroundings);
  if (judged.kind === "right") return judged.config;
  throw new Error(judged.problems.map(formatProblem).join("\n"));
}

const EVERYTHING = `
state_dir = "/s//t/"
control = "/run/c"
log_level = "debug"
log = { max_size = "20 mb", max_age = "90m" }
listen.tls = ["A.example:1", "[::1]:2"]
listen.unix = ["/run/l"]
identity = { key = "/k", name = "here" }
[peer.p]
key = "${KEY.replace(/=$/, "")}"
may_read = ["out"]
may_write = ["in"]
users = ["*@example.org"]
[store.out]
path = "/out"
scratch = "/out-scratch"
sentinel = "da/är.hier"
brake = { messages = 5, share = "7%", small_store_share = "30%", small_store_messages = 4, in_deleted_mailboxes = 3, window = "1h", uncounted = ["Müll"] }
scrub = { every = "30d", max_rate = "1MiB" }
[store.out.replica]
a = { to = "tls://[FE80::1]:9", peer = "p", store = "mail", mode = "on-demand", foreign = "limbo" }
b = { to = "ssh://u@h:22", unreachable_alarm = "90s", foreign = "keep" }
c = { to = "ssh://h" }
d = { peer = "p" }
e = { peer = "p", store = "e", unreachable_alarm = "1w" }
[store.in]
path = "/in"
brake.enabled = false
source = { from = "unix:/run/x", store = "theirs" }
`;

test("everything that may be said has its value", () => {
  const config = configOf(EVERYTHING);
  expect(config).toMatchObject({
    ...{ stateDir: "/s/t", control: "/run/c", logLevel: "debug", identityKey: "/k", identityName: "here" },
    log: { maxSize: 20_000_000, maxAgeMs: 5_400_000 },
    listen: {
      tls: [
        { host: "a.example", port: 1 },
        { host: "::1", port: 2 },
      ],
      unix: ["/run/l"],
    },
  });
  expect([...config.peers.values()]).toStrictEqual([
    { name: "p", key: KEY, mayRead: new Set(["out"]), mayWrite: new Set(["in"]), users: ["*@example.org"] },
  ]);
  const [out, inward] = [...config.stores.values()];
  expect(out).toMatchObject({
    name: "out",
    path: "/out",
    scratch: "/out-scratch",
    sentinel: "da/är.hier",
    role: { kind: "source" },
  });
  const limits = {
    ...{ messages: 5, share: 0.07, smallStoreShare: 0.3, smallStoreMessages: 4 },
    ...{ inDeletedMailboxes: 3, windowMs: 3_600_000, uncounted: ["Müll"] },
  };
  expect([out?.brake, inward?.brake]).toStrictEqual([limits, undefined]);
  expect([out?.scrub, inward?.scrub]).toStrictEqual([{ everyMs: 2_592_000_000, maxRate: 1_048_576 }, undefined]);
  const replicas = out?.role.kind === "source" ? [...out.role.replicas.values()] : [];
  const usual = { storeThere: "out", mode: "live", unreachableAlarmMs: 3_600_000, foreign: "refuse", peer: undefined };
  expect(replicas).toStrictEqual([
    {
      ...{ name: "a", to: { kind: "tls", host: "fe80::1", port: 9 }, peer: "p", storeThere: "mail" },
      ...{ mode: "on-demand", unreachableAlarmMs: undefined, foreign: "limbo" },
    },
    {
      ...usual,
      name: "b",
      to: { kind: "ssh", user: "u", host: "h", port: 22 },
      unreachableAlarmMs: 90_000,
      foreign: "keep",
    },
    { ...usual, name: "c", to: { kind: "ssh", user: undefined, host: "h", port: undefined } },
    { ...usual, name: "d", to: undefined, peer: "p", unreachableAlarmMs: undefined },
    { ...usual, name: "e", storeThere: "e", to: undefined, peer: "p", unreachableAlarmMs: 7 * 86_400_000 },
  ]);
  expect(inward?.role).toStrictEqual({
    ...{ kind: "replica", peer: undefined, storeThere: "theirs", from: { kind: "unix", path: "/run/x" } },
  });
});

test("an empty configuration is all defaults", () => {
  const config = configOf("");
  expect(config).toStrictEqual({
    ...{ stateDir: "/var/lib/mailtwin", control: "/run/mailtwin/control.sock", logLevel: "info" },
    log: { maxSize: 2 ** 30, maxAgeMs: 14 * 86_400_000 },
    ...{
      listen: { tls: [], unix: [] },
      identityKey: undefined,
      identityName: undefined,
      peers: new Map(),
      stores: new Map(),
    },
  });
});

describe("default places", () => {
  const user = { isRoot: false, home: "/home/u", env: {} };
  const places = (who: typeof ROOT) => [defaultConfigFile(who), defaultStateDir(who), defaultControl(who, "/state")];

  test("are the system's for root", () => {
    const env = { XDG_STATE_HOME: "/s", XDG_CONFIG_HOME: "/c", XDG_RUNTIME_DIR: "/r" };
    expect(places({ ...ROOT, env })).toStrictEqual([
      ...["/etc/mailtwin/mailtwin.toml", "/var/lib/mailtwin", "/run/mailtwin/control.sock"],
    ]);
  });

  test("are those of XDG for others; a variable that is no absolute path does not count", () => {
    expect(
      places({ ...user, env: { XDG_STATE_HOME: "/s", XDG_CONFIG_HOME: "/c", XDG_RUNTIME_DIR: "/r" } }),
    ).toStrictEqual([...["/c/mailtwin/mailtwin.toml", "/s/mailtwin/daemon", "/r/mailtwin/control.sock"]]);
    for (const env of [{}, { XDG_STATE_HOME: "", XDG_CONFIG_HOME: "c", XDG_RUNTIME_DIR: "./r" }])
      expect(places({ ...user, env })).toStrictEqual([
        ...["/home/u/.config/mailtwin/mailtwin.toml", "/home/u/.local/state/mailtwin/daemon", "/state/control.sock"],
      ]);
  });
});

describe("what is shown", () => {
  test.each([
    ["everything", EVERYTHING],
    ["the defaults", ""],
  ])("reads as the same: %s", (_, text) => {
    const config = configOf(text);
    const elsewhere = { isRoot: false, home: "/home/u", env: {} };
    expect(configOf(configAsToml(config), elsewhere)).toStrictEqual(config);
  });

  test("has plain numbers for machines, and survives JSON", () => {
    const shown = configAsJson(configOf(EVERYTHING));
    const told = JSON.parse(JSON.stringify(shown)) as typeof shown;
    expect(told).toMatchObject({
      log: { maxSizeBytes: 20_000_000, maxAgeMs: 5_400_000 },
      peers: [{ name: "p", mayRead: ["out"] }],
      stores: [
        {
          name: "out",
          role: "source",
          replicas: [{ name: "a", to: "tls://[fe80::1]:9" }, {}, {}, { peer: "p" }, { name: "e" }],
        },
        { name: "in", role: "replica", source: { from: "unix:/run/x", storeThere: "theirs" } },
      ],
    });
  });
});

describe("docs/configuration.md", () => {
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  const examples = [...page.matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);

  test("has two servers that fit each other", () => {
    expect(examples).toHaveLength(2);
    const [a, b] = examples.map((text) => configOf(text));
    const [out] = [...(a?.stores.values() ?? [])];
    const [inward] = [...(b?.stores.values() ?? [])];
    const replica = out?.role.kind === "source" ? [...out.role.replicas.values()][0] : undefined;
    expect([replica?.to, replica?.storeThere]).toStrictEqual([
      { kind: "tls", host: "b.example.org", port: 4417 },
      inward?.name,
    ]);
    expect(b?.listen.tls).toStrictEqual([{ host: "::", port: 4417 }]);
    expect(inward?.role).toMatchObject({ kind: "replica", peer: "a", from: undefined, storeThere: out?.name });
    expect([...(b?.peers.values() ?? [])][0]?.mayWrite).toStrictEqual(new Set(["mail"]));
  });

  test("names every key and table", () => {
    const names = (schema: ReturnType<typeof jsonSchema>): string[] =>
      Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
        const named = typeof inner.additionalProperties === "object" ? names(inner.additionalProperties) : [];
        return [name, ...names(inner), ...named];
      });
    const known = names(jsonSchema());
    expect(known).toContain("may_write");
    expect(known.filter((name) => !new RegExp(`[\`.[]${name}[\`.\\]]`).test(page))).toStrictEqual([]);
  });
});

test("the JSON schema says what must be there, what may be, and how names look", () => {
  const schema = jsonSchema();
  const peer = schema.properties?.["peer"];
  expect(schema).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    additionalProperties: false,
  });
  expect(peer).toMatchObject({
    propertyNames: { type: "string", pattern: "^[a-z0-9][a-z0-9_-]{0,63}$" },
    additionalProperties: { additionalProperties: false },
  });
  expect(schema.properties?.["store"]).toMatchObject({
    additionalProperties: { required: ["path"], additionalProperties: false },
  });
  expect(schema.properties?.["log"]?.properties?.["max_size"]).toMatchObject({
    ...{ type: "string", default: "1GiB", examples: ["1GiB"] },
  });
});
