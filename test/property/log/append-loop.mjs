/**
 * A process to be killed: captures one message after another into four mailboxes at once, and says so on stdout only
 * when the promise has resolved. Arguments: the compiled program's directory, the database.
 */
import { pathToFileURL } from "node:url";

const [, , compiled = "", path = ""] = process.argv;
/** @param {string} name */
const load = (name) => import(pathToFileURL(`${compiled}/${name}`).href);
const { openHash } = await load("base/hash.js");
const { MailboxBaseline } = await load("log/baseline.js");
const { openStateReader } = await load("log/state-reader.js");
const { openStateWriter } = await load("log/state-writer.js");
const { StateDigester } = await load("txn/digest.js");

const writer = await openStateWriter(path, { create: true });
const reader = openStateReader(path);
const digester = new StateDigester(await openHash());

/** @param {number} id */
async function captureInto(id) {
  const guid = id.toString(16).padStart(32, "0");
  const fresh = {
    id,
    guid,
    path: `u${id}`,
    uidValidity: 1,
    uidNext: 1,
    headerExtra: "",
    keywords: [],
    fingerprint: "",
  };
  const baseline = new MailboxBaseline({ reader, digester }, reader.mailboxByGuid(guid) ?? { ...fresh, messages: 0 });
  for (;;) {
    const uid = baseline.row.uidNext;
    const put = [{ uid, base: `m${uid}`, info: "", keywords: [], size: 1, mtimeS: 1, fields: "", ino: 0 }];
    const { row, chunks } = baseline.edit({ put, drop: [] });
    const moved = { ...row, uidNext: uid + 1 };
    const bytes = Buffer.from(String(uid));
    const transactions = [{ mailbox: guid, capturedMs: 1, bytes: new Uint8Array(bytes) }];
    const [lsn] = await writer.appendCaptured({ mailboxes: [moved], removedMailboxIds: [], chunks, transactions });
    baseline.adopt(chunks, moved);
    process.stdout.write(`${lsn} ${id} ${uid}\n`);
  }
}

await Promise.all([1, 2, 3, 4].map(captureInto));
