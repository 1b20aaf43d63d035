/** Addresses of tests, as operators write them. */
import { type Address, readAddress } from "../../../src/wire/address.js";

/** Throws for what is no address. */
export function addressOf(text: string): Address {
  const reading = readAddress(text);
  if (reading.kind === "value") return reading.value;
  throw new Error(`"${text}" is no address: ${reading.why}`);
}
