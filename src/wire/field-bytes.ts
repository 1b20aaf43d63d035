/** A look at an encoded message before it is decoded, which makes an object of each number in it. */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** How many bytes of a message are in that field of its. Throws what is not well-formed. */
export function bytesOfField(bytes: Uint8Array, field: number): number {
  const reader = new BinaryReader(bytes);
  let sum = 0;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const start = reader.pos;
    reader.skip(type, number);
    if (number === field) sum += reader.pos - start;
  }
  return sum;
}

/** Of each value of a list, less than the bytes of memory that it takes decoded. */
const MESSAGE_WEIGHT = 24;
const BYTES_WEIGHT = 16;
const NUMBER_WEIGHT = 8;

/**
 * How much is in the lists of a message, by the weights above. An honest one weighs little more than its bytes; one of nothing but empty
 * values would take a hundred times its bytes when it is decoded. Throws what is not well-formed.
 */
export function weightOf(bytes: Uint8Array, { fields }: DescMessage): number {
  const reader = new BinaryReader(bytes);
  let weight = 0;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const field = fields.find((it) => it.number === number);
    if (type === WireType.LengthDelimited) weight += weightIn(reader.bytes(), field);
    else {
      reader.skip(type, number);
      if (field?.fieldKind === "list") weight += NUMBER_WEIGHT;
    }
  }
  return weight;
}

function weightIn(value: Uint8Array, field: DescField | undefined): number {
  if (field?.fieldKind === "message") return weightOf(value, field.message);
  if (field?.fieldKind !== "list") return 0;
  if (field.listKind === "message") return MESSAGE_WEIGHT + weightOf(value, field.message);
  return isOfNumbers(field) ? NUMBER_WEIGHT * numbersIn(value) : BYTES_WEIGHT;
}

function isOfNumbers(field: DescField & { readonly fieldKind: "list" }): boolean {
  return field.listKind !== "scalar" || (field.scalar !== ScalarType.BYTES && field.scalar !== ScalarType.STRING);
}

/** As many as bytes without the bit that says that the number goes on. */
function numbersIn(packed: Uint8Array): number {
  let count = 0;
  for (const byte of packed) if (byte < 0x80) count += 1;
  return count;
}
