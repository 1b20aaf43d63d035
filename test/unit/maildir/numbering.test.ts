import { expect, test } from "vitest";
import { dovecotOrder } from "../../../src/maildir/numbering.js";

test.each<[string, readonly string[]]>([
  ["by seconds, as numbers", ["9.M1P1.h", "10.M1P1.h", "1700000000.M1P1.h"]],
  ["by microseconds, as numbers", ["5.M9P1.h", "5.M10P1.h", "5.M000011P1.h"]],
  ["microseconds may stand after other parts of the unique name", ["5.V1I2M7.h", "5.P9M8.h", "5.M9.h"]],
  ["a name without digits comes first", ["abc", "1.M1P1.h"]],
  ["equal times by the rest", ["5.M1P1.a", "5.M1P1.b", "5.M1P2.a"]],
  ["the shorter of two comes first", ["5.M1P1.a", "5.M1P1.a,S=1"]],
  ["an M in the host name is no time", ["5.P1.M9", "5.P2.M1"]],
  ["bytes above 0x7f precede the others", ["5.\xe9", "5.a"]],
  ["flags play no part", ["5.M1P1.h:2,S", "5.M2P1.h", "5.M3P1.h:2,"]],
])("%s", (_, expected) => {
  expect(dovecotOrder([...expected].reverse())).toEqual(expected);
  expect(dovecotOrder(expected)).toEqual(expected);
});

test("the order depends on the names alone, even where Dovecot's comparison runs in a circle", () => {
  const names = ["5.A", "5.M9.B", "5.N", "5.M1.Z", "5.L"];
  const orders = new Set(
    [names, [...names].reverse(), [...names.slice(2), ...names.slice(0, 2)]].map((set) => dovecotOrder(set).join(" ")),
  );
  expect(orders.size).toBe(1);
});
