import { fc } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { Fifo } from "../../../src/base/fifo.js";

test("behaves as an array of which the first is taken", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: "shift" as const })), (steps) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === "shift") expect(fifo.shift()).toBe(model.shift());
        else {
          fifo.push(step);
          model.push(step);
        }
        expect(fifo.length).toBe(model.length);
      }
    }),
  );
});

test("clear forgets everything", () => {
  const fifo = new Fifo<number>();
  fifo.push(1);
  fifo.push(2);
  fifo.shift();
  fifo.clear();
  expect([fifo.length, fifo.shift()]).toEqual([0, undefined]);
  fifo.push(3);
  expect(fifo.shift()).toBe(3);
});
