/** What the system says when the store's root is opened: of the store, or of something else. */
import { expect, test } from "vitest";
import { makeSystemError } from "../../../src/base/system-error.js";
import { isOfStore, openStoreRoot } from "../../../src/capture/open-mailbox.js";

function thrown(errno?: Parameters<typeof makeSystemError>[0]): unknown {
  const openRoot = () => {
    if (errno !== undefined) throw makeSystemError(errno, { doing: "opening", path: "/srv" });
    return undefined;
  };
  try {
    return openStoreRoot({ disk: { openRoot }, storeRoot: "/srv" });
  } catch (error) {
    return error;
  }
}

test.each([
  [undefined, "store-missing"],
  ["ENOTDIR", "store-missing"],
  ["ELOOP", "store-missing"],
  ["ESTALE", "store-missing"],
  ["ENOTCONN", "store-missing"],
  ["EACCES", "store-unreadable"],
  ["EPERM", "store-unreadable"],
] as const)("%s ends a run as %s, with 66", (errno, code) => {
  const error = thrown(errno);
  expect(error).toMatchObject({ code, exitCode: 66, message: expect.stringContaining("/srv") });
  expect(isOfStore(error)).toBe(true);
});

test.each(["EIO", "EMFILE"] as const)("%s says nothing of it", (errno) => {
  const error = thrown(errno);
  expect(error).toMatchObject({ code: errno });
  expect(isOfStore(error)).toBe(false);
});
