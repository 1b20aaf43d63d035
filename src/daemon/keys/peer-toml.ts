/** What stands in a configuration about a peer: for this host's, and for that of the peer. Pure. */
import { stringify } from "smol-toml";
import { readHostPort } from "../../wire/address.js";
import { NAME_PATTERN } from "../config/names.js";
import type { ConfigLook, StoreEnd } from "./look-at-config.js";

export interface PeerTable {
  readonly name: string;
  readonly key: string;
  readonly mayRead: readonly string[];
  readonly mayWrite: readonly string[];
}

/** The file for this host. */
export function peerFile(peer: PeerTable): string {
  return `# Written by mailtwin pair. Compare the key with what \`mailtwin pair\` says on ${peer.name}.\n${peerToml(peer)}`;
}

function peerToml({ name, key, mayRead, mayWrite }: PeerTable): string {
  const rights = {
    ...(mayRead.length > 0 ? { may_read: [...new Set(mayRead)] } : {}),
    ...(mayWrite.length > 0 ? { may_write: [...new Set(mayWrite)] } : {}),
  };
  return `${stringify({ peer: { [name]: { key, ...rights } } }).trim()}\n`;
}

/** This host, as the other one sees it. */
export interface OwnSite {
  readonly name: string;
  readonly key: string;
  /** Where it is dialled. */
  readonly host: string;
}

/** For the configuration of `other`, or of any host. Its tables of stores are comments: paths and what is there already are its own. */
export function snippetForOther(own: OwnSite, look: ConfigLook, other: string | undefined): string {
  const ends = look.ends.filter(({ peer }) => other !== undefined && peer === other);
  const dialling = ends.filter(({ isDialled }) => isDialled);
  const storesThere = (role: StoreEnd["role"]) =>
    dialling.filter((end) => end.role === role).map((end) => end.storeThere);
  const [mayRead, mayWrite] = [storesThere("replica"), storesThere("source")];
  const whose = other === undefined ? "another host" : other;
  const lines = [
    `# For the configuration of ${whose}, where this host is called ${own.name}. What its stores need is written there by`,
    `#   mailtwin pair ${own.name} ${own.key}`,
    peerToml({ name: own.name, key: own.key, mayRead, mayWrite }).trimEnd(),
  ];
  if (other === undefined) {
    lines.push('# may_write = ["STORE"]   # if this host dials in there and sends that store');
    lines.push('# may_read = ["STORE"]    # if this host dials in there and fetches that store');
  }
  for (const end of ends) lines.push("", ...storeLines(own, look, end));
  return `${lines.join("\n")}\n`;
}

function storeLines(own: OwnSite, look: ConfigLook, { store, role, isDialled, storeThere }: StoreEnd): string[] {
  const address = isDialled ? {} : { [role === "source" ? "from" : "to"]: addressOf(own, look) };
  const link = { peer: own.name, ...(store === storeThere ? {} : { store }), ...address };
  const table = role === "source" ? { source: link } : { replica: { [own.name]: link } };
  const text = stringify({ store: { [storeThere]: table } }).trim();
  return ["# If it is not there yet:", ...text.split("\n").map((line) => `# ${line}`.trimEnd())];
}

/** Where this host listens, as far as it says. */
function addressOf({ host }: OwnSite, { listenTls }: ConfigLook): string {
  const [first = ""] = listenTls;
  const reading = readHostPort(first);
  if (reading.kind === "wrong") return `tls://${bracketed(host)}:PORT`;
  const isAny = /^[0.:]*$/.test(reading.value.host.replace(/[[\]]/g, ""));
  return `tls://${bracketed(isAny ? host : reading.value.host)}:${reading.value.port}`;
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/** From the name of a host: its first label, if that can be a peer's name. */
export function nameFromHost(host: string): string | undefined {
  const label = (host.split(".")[0] ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "-")
    .slice(0, 64);
  return NAME_PATTERN.test(label) ? label : undefined;
}
