/** All rows of a state database, for tests that expect nothing to be written to it. */
import { openDb } from "../../../src/log/db.js";

/** One line for each row, table by table; `except`: tables that something else writes to. */
export function rowsIn(path: string, except: readonly string[] = []): readonly string[] {
  using db = openDb(path, "read");
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
  return tables.flatMap(({ name }) => {
    if (except.includes(String(name))) return [];
    const rows = db.prepare(`SELECT * FROM "${String(name)}"`).all();
    return rows.map((row) => `${String(name)} ${JSON.stringify(row, textOfBytes)}`);
  });
}

function textOfBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}
