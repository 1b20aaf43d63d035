/**
 * A transaction as bytes and back: decoding what was encoded gives an equal value.
 *
 * The format's reference is transaction.proto; what protobuf cannot say is in transaction-rules.ts and is checked in
 * both directions. Names are bytes-in-strings here and `bytes` there. Fields that a newer version added are ignored;
 * a kind of change that it added is not, since leaving out a change would be a hole.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { MailtwinError } from "../base/errors.js";
import { txnError } from "./errors.js";
import { TransactionSchema } from "./gen/transaction_pb.js";
import type { Transaction } from "./transaction.js";
import { transactionOfPb } from "./transaction-from-pb.js";
import { checkTransaction, refuse, TRANSACTION_BYTES_MAX, TRANSACTION_KEYWORDS_MAX } from "./transaction-rules.js";
import { pbOfTransaction } from "./transaction-to-pb.js";

/** The bytes are the caller's own and fill their buffer. Throws: transaction-invalid. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  checkTransaction(transaction);
  const plain = pbOfTransaction(transaction);
  if (plain.keywords.length > TRANSACTION_KEYWORDS_MAX) refuse("it names too many keywords", plain.keywords.length);
  const bytes = toBinary(TransactionSchema, plain);
  if (bytes.length > TRANSACTION_BYTES_MAX) refuse("it is too long", bytes.length);
  return bytes;
}

/** Takes any bytes. Throws: transaction-invalid, and nothing else. */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  if (bytes.length > TRANSACTION_BYTES_MAX) refuse("it is too long", bytes.length);
  const transaction = read(bytes);
  checkTransaction(transaction);
  return transaction;
}

function read(bytes: Uint8Array): Transaction {
  try {
    return transactionOfPb(fromBinary(TransactionSchema, bytes, { readUnknownFields: false }));
  } catch (cause) {
    if (cause instanceof MailtwinError) throw cause;
    throw txnError("transaction-invalid", "decoding a transaction: the bytes are not of its format", {}, cause);
  }
}
