import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errnoOf } from "../../../src/base/errors.js";
import { explainSystemError, makeSystemError, whyItFailed } from "../../../src/base/system-error.js";

function failedRead(): unknown {
  try {
    return readFileSync("/proc/self/fd/nothing");
  } catch (error) {
    return error;
  }
}

test("a system error keeps its code and tells the path that people know", () => {
  const error = explainSystemError(failedRead(), { doing: "opening", path: "/var/vmail/u/cur/x" });
  expect(errnoOf(error)).toBe("ENOENT");
  expect(error).toMatchObject({
    message: "opening /var/vmail/u/cur/x: ENOENT: no such file or directory",
    path: "/var/vmail/u/cur/x",
    syscall: "open",
  });
});

test("control bytes of a name do not reach the terminal", () => {
  const error = makeSystemError("EFBIG", { doing: "reading", path: "/m/\x1b[2J\xff" });
  expect(error.message).toBe("reading /m/\\x1b[2J\\xff: EFBIG: file too large");
});

test("two paths are both told", () => {
  const error = makeSystemError("EXDEV", { doing: "renaming", path: "/a", to: "/b" });
  expect(error.message).toBe("renaming /a to /b: EXDEV: cross-device link not permitted");
});

test("anything else comes back as it is", () => {
  const defect = new TypeError("x is undefined");
  expect(explainSystemError(defect, { doing: "opening", path: "/a" })).toBe(defect);
});

test("why something failed has the errno and the words for it, whoever raised it", () => {
  expect(whyItFailed(failedRead())).toBe("ENOENT: no such file or directory");
  expect(whyItFailed(Object.assign(new Error("x"), { code: "EACCES" }))).toBe("EACCES: permission denied");
  expect(whyItFailed(new Error("worn out"))).toBe("worn out");
  expect(whyItFailed("odd")).toBe("odd");
});
