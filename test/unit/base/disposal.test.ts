import { AssertionError } from "node:assert";
import { describe, expect, test } from "vitest";
import { Disposer } from "../../../src/base/disposal.js";

describe("Disposer", () => {
  test("releases in reverse, one after the other", async () => {
    const seen: string[] = [];
    const disposer = new Disposer();
    disposer.defer(() => {
      seen.push("first opened");
    });
    disposer.defer(async () => {
      seen.push("begin");
      await Promise.resolve();
      seen.push("end");
    });
    await disposer.dispose();
    expect(seen).toEqual(["begin", "end", "first opened"]);
  });

  test("adopts both kinds of resources and returns them", async () => {
    const seen: string[] = [];
    const slow = {
      async [Symbol.asyncDispose]() {
        seen.push("async");
      },
    };
    const quick = {
      [Symbol.dispose]() {
        seen.push("sync");
      },
    };
    const disposer = new Disposer();
    expect(disposer.adopt(slow)).toBe(slow);
    expect(disposer.adopt(quick)).toBe(quick);
    await disposer[Symbol.asyncDispose]();
    expect(seen).toEqual(["sync", "async"]);
  });

  test("runs once, and everyone who asks waits for the same end", async () => {
    let count = 0;
    const disposer = new Disposer();
    disposer.defer(async () => {
      await Promise.resolve();
      count += 1;
    });
    const first = disposer.dispose();
    expect(disposer.isDisposed).toBe(true);
    await Promise.all([first, disposer.dispose()]);
    expect(count).toBe(1);
  });

  test("one error comes as it is, and the others are released all the same", async () => {
    const error = new Error("stuck");
    let released = false;
    const disposer = new Disposer();
    disposer.defer(() => {
      released = true;
    });
    disposer.defer(() => {
      throw error;
    });
    await expect(disposer.dispose()).rejects.toBe(error);
    expect(released).toBe(true);
  });

  test("several errors come together, in the order in which they came", async () => {
    const [one, two] = [new Error("one"), new Error("two")];
    const disposer = new Disposer();
    disposer.defer(() => Promise.reject(two));
    disposer.defer(() => Promise.reject(one));
    const thrown = await disposer.dispose().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(AggregateError);
    expect((thrown as AggregateError).errors).toEqual([one, two]);
  });

  test("takes nothing after the end", async () => {
    const disposer = new Disposer();
    await disposer.dispose();
    expect(() => disposer.defer(() => {})).toThrow(AssertionError);
    expect(() => disposer.move()).toThrow(AssertionError);
  });

  test("move hands everything over: only the heir releases", async () => {
    let count = 0;
    const builder = new Disposer();
    builder.defer(() => {
      count += 1;
    });
    const heir = builder.move();
    await builder.dispose();
    expect(count).toBe(0);
    await heir.dispose();
    expect(count).toBe(1);
  });

  test("a construction that fails half way releases what was opened", async () => {
    const seen: string[] = [];
    const build = async () => {
      await using parts = new Disposer();
      parts.defer(() => {
        seen.push("released");
      });
      throw new Error("second part");
    };
    await expect(build()).rejects.toThrow("second part");
    expect(seen).toEqual(["released"]);
  });
});
