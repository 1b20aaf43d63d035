/** A look at an encoded message before it is decoded, which makes an object of each number in it. */
import { BinaryReader } from "@bufbuild/protobuf/wire";

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
