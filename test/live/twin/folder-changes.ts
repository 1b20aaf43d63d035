/** What tests do to the folders of a source, and how they see that mail was only renamed on the replica. */
import type { ImapFlow } from "imapflow";
import { expect } from "vitest";
import type { DovecotSite } from "../lab/dovecot.js";
import { listStore } from "../lab/files.js";
import { append, createFolder, renameFolder } from "../lab/imap.js";
import { makeMessage } from "../lab/messages.js";

/** Creates each folder and appends three messages to it. */
export async function fill(site: DovecotSite, session: ImapFlow, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await createFolder(session, path);
    for (const seed of [1, 2, 3]) await append(session, path, makeMessage({ seed }), { flags: ["\\Seen"] });
  }
  expect(site.problems()).toEqual([]);
}

/** Each gets the name of the next one, by way of a name that is free. */
export async function turnAround(session: ImapFlow, names: readonly string[], free: string): Promise<void> {
  const last = names.at(-1) ?? "";
  await renameFolder(session, last, free);
  for (let i = names.length - 2; i >= 0; i--) await renameFolder(session, names[i] ?? "", names[i + 1] ?? "");
  await renameFolder(session, free, names[0] ?? "");
}

/** The inode numbers of all message files of one user, or one top folder, sorted: they stay when files are only renamed. */
export function messageInodes(site: DovecotSite, user: string, folder?: string): number[] {
  const inFolder = (path: string) =>
    folder === undefined || [`/${folder}/`, `/.${folder}/`].some((at) => path.includes(at));
  return listStore(site.store)
    .filter(({ path, kind }) => kind === "file" && path.startsWith(`${user}/`) && /\/(cur|new)\/[^/]+$/.test(path))
    .filter(({ path }) => inFolder(path))
    .map(({ stats }) => stats.ino)
    .sort((a, b) => a - b);
}
