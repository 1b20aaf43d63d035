import { expect, test } from "vitest";
import { withoutGroup } from "../../../src/base/disk-node-file.js";

test.each([
  [0o600, 0o600],
  [0o660, 0o600],
  [0o640, 0o600],
  [0o644, 0o644],
  [0o664, 0o644],
  [0o2770, 0o700],
  [0o2775, 0o755],
  [0o1777, 0o1777],
  [0o607, 0o607],
])("a group that is not the one that mode %o speaks of gets %o", (mode, left) => {
  expect(withoutGroup(mode).toString(8)).toBe(left.toString(8));
});
