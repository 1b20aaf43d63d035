/** The wire's schema changes on purpose or not at all: two releases may stand at the two ends of a link. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { sha256 } from "../../../src/base/hash.js";
import { file_wire_link } from "../../../src/wire/gen/link_pb.js";
import { PROTOCOL_VERSION } from "../../../src/wire/messages.js";

/** What two ends must agree upon: each field's number, type and cardinality. Names are our own business. */
function layoutOf(message: DescMessage): string {
  const fields = message.fields.map(
    (field) => `${field.number}:${typeOf(field)}${field.oneof === undefined ? "" : "?"}`,
  );
  return `${message.typeName}{${fields.sort().join(",")}}`;
}

function typeOf(field: DescField): string {
  const { fieldKind } = field;
  if (fieldKind === "message") return field.message.typeName;
  if (fieldKind === "list") return `[${field.listKind === "message" ? field.message.typeName : field.scalar}]`;
  if (fieldKind === "scalar") return String(field.scalar);
  throw new Error(`no ${fieldKind} is expected in ${field.parent.typeName}.${field.name}`);
}

test("the wire schema is frozen at protocol 4", () => {
  const layouts = file_wire_link.messages.map(layoutOf).sort().join("\n");
  const fingerprint = sha256(Buffer.from(layouts)).toString("hex").slice(0, 16);
  // Changed on purpose? If what was added can be ignored by an end that does not know it, put the new value here and
  // describe the field in docs/formats.md. Otherwise raise PROTOCOL_VERSION too: ends that differ refuse each other.
  expect([PROTOCOL_VERSION, fingerprint]).toStrictEqual([4, "1f6afeb9b2f01afb"]);
});
