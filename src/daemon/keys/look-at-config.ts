/**
 * What a configuration says that need not be right yet: keys are made and peers are told before all that names them fits together.
 * Whatever is not of the expected form counts as not said; `mailtwin config check` says what is wrong with it. Pure.
 */
import { parse } from "smol-toml";
import type { ConfigText } from "../config/judge-config.js";

export interface ConfigLook {
  /** As written. */
  readonly identityKey: string | undefined;
  readonly identityName: string | undefined;
  readonly listenTls: readonly string[];
  readonly ends: readonly StoreEnd[];
}

/** One end of a link, as a store names it. */
export interface StoreEnd {
  readonly store: string;
  /** What this store is on that link. */
  readonly role: "source" | "replica";
  readonly peer: string | undefined;
  /** This host dials; else the peer dials in. */
  readonly isDialled: boolean;
  /** The store's name on the other side. */
  readonly storeThere: string;
}

type Table = Readonly<Record<string, unknown>>;

export function lookAtConfig(texts: readonly ConfigText[]): ConfigLook {
  const documents = texts.map(({ text }) => parsed(text));
  const identity = (key: string) => documents.map((document) => textAt(tableAt(document, "identity"), key));
  return {
    identityKey: identity("key").find((key) => key !== undefined),
    identityName: identity("name").find((name) => name !== undefined),
    listenTls: documents.flatMap((document) => textsAt(tableAt(document, "listen"), "tls")),
    ends: documents.flatMap((document) => entriesOf(tableAt(document, "store")).flatMap(endsOf)),
  };
}

/** What `peer` needs to be let in for what the stores say of it: it dials in there where they name no address. */
export function rightsWished({ ends }: ConfigLook, peer: string) {
  const dialling = ends.filter((end) => end.peer === peer && !end.isDialled);
  const storesOf = (role: StoreEnd["role"]) => dialling.filter((end) => end.role === role).map(({ store }) => store);
  return { mayRead: storesOf("source"), mayWrite: storesOf("replica") };
}

function endsOf([store, table]: readonly [string, Table]): StoreEnd[] {
  const source = table["source"];
  return [
    ...entriesOf(tableAt(table, "replica")).map(([, replica]) => endOf(store, "source", replica)),
    ...(isTable(source) ? [endOf(store, "replica", source)] : []),
  ];
}

function endOf(store: string, role: StoreEnd["role"], table: Table): StoreEnd {
  const isDialled = table[role === "source" ? "to" : "from"] !== undefined;
  return { store, role, peer: textAt(table, "peer"), isDialled, storeThere: textAt(table, "store") ?? store };
}

function parsed(text: string): Table {
  try {
    return parse(text);
  } catch {
    return {}; // no TOML: whoever judges the configuration says where.
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tableAt(table: Table, key: string): Table {
  const value = table[key];
  return isTable(value) ? value : {};
}

function entriesOf(table: Table): (readonly [string, Table])[] {
  return Object.entries(table).flatMap(([key, value]) => (isTable(value) ? [[key, value] as const] : []));
}

function textAt(table: Table, key: string): string | undefined {
  const value = table[key];
  return typeof value === "string" ? value : undefined;
}

function textsAt(table: Table, key: string): string[] {
  const value = table[key];
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
