/**
 * Whatever stands in a configuration, it is judged: values, or problems each of which has its place in the text. Made of keys that
 * exist, nearly exist and do not, with values of any kind.
 */
import { fc, test } from "@fast-check/vitest";
import { stringify } from "smol-toml";
import { expect } from "vitest";
import { judgeConfig } from "../../../src/daemon/config/judge-config.js";
import { configAsToml } from "../../../src/daemon/config/show-config.js";
import { tries } from "../tries.js";

const word = fc.constantFrom(
  ...[
    "a",
    "b",
    "B",
    "",
    "/a",
    "/a/b",
    "/",
    "x",
    "live",
    "keep",
    "info",
    "1GiB",
    "14d",
    "tls://h:1",
    "ssh://h",
    "unix:/a",
  ],
  ...["[::]:1", "h:1", "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "constructor", "é\n\u202e"],
);
const leaf = fc.oneof(
  { weight: 8, arbitrary: word },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(1, true, [], {}, [1], [{}], new Date(0), [["a"]]) },
  { weight: 2, arbitrary: fc.array(word, { maxLength: 2 }) },
);

function table(keys: readonly string[], inner: fc.Arbitrary<unknown> = leaf) {
  const key = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...keys) }, { weight: 1, arbitrary: word });
  return fc.oneof({ weight: 12, arbitrary: fc.dictionary(key, inner, { maxKeys: 5 }) }, { weight: 1, arbitrary: leaf });
}

/** By key, each with what belongs there or anything else. */
function mixed(innerByKey: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.record(innerByKey, { requiredKeys: [] }) },
    { weight: 1, arbitrary: leaf },
  );
}

const otherSide = ["to", "from", "peer", "store", "mode", "foreign"];
const store = mixed({
  ...{ path: leaf, scratch: leaf, source: table(otherSide), replica: table(["a", "b"], table(otherSide)), pth: leaf },
});
const config = fc.record(
  {
    ...{ state_dir: leaf, control: leaf, log_level: leaf, log: table(["max_size", "max_age"]), lgo: leaf },
    listen: table(["tls", "unix"]),
    identity: table(["key"]),
    peer: table(["a", "b"], table(["key", "may_read", "may_write", "users"])),
    store: table(["a", "b", "c"], store),
  },
  { requiredKeys: [] },
);

const surroundings = fc.constantFrom(
  { isRoot: true, home: "/root", env: {} },
  { isRoot: false, home: undefined, env: {} },
);

test.prop([fc.array(config, { minLength: 1, maxLength: 2 }), surroundings], tries(400))(
  "any configuration is right or has problems with places, in order",
  (configs, who) => {
    const texts = configs.map((written, index) => ({ file: `f${index}`, text: stringify(written) }));
    const files = texts.map(({ file }) => file);
    const judged = judgeConfig({ files, texts, problems: [] }, who);
    if (judged.kind === "right") {
      const shown = { file: "f0", text: configAsToml(judged.config) };
      expect(judgeConfig({ files, texts: [shown], problems: [] }, who)).toStrictEqual(judged);
      return;
    }
    expect(judged.problems).not.toStrictEqual([]);
    let before = 0;
    for (const { at, why, advice, read } of judged.problems) {
      const { text = "" } = texts.find(({ file }) => file === at.file) ?? {};
      const [line, column] = "line" in at ? [at.line, at.column] : [0, 0];
      expect(line).toBeLessThanOrEqual(text.split("\n").length);
      expect(column).toBeLessThanOrEqual((text.split("\n")[line - 1]?.length ?? 0) + 1);
      expect([why, advice]).not.toContain("");
      expect(`${read}${why}${advice}`).not.toMatch(/[\n\u202e]|undefined/);
      const rank = files.indexOf(at.file) * 1e9 + line * 1e4 + column;
      expect(rank).toBeGreaterThanOrEqual(before);
      before = rank;
    }
  },
);
