/** Configurations of the sites, as tables that become TOML. */
import { stringify } from "smol-toml";

export type Table = { [key: string]: string | number | readonly string[] | Table };

/** What a test says of one site; places, identity and log level are the lab's. */
export interface SiteConfig {
  readonly listen?: Table;
  readonly peer?: Table;
  readonly store?: Table;
  /** Further keys on top, or others than the lab's. */
  readonly top?: Table;
}

export function formatSiteConfig(own: Table, config: SiteConfig): string {
  const { top = {}, listen = {}, peer = {}, store = {} } = config;
  return stringify({ ...own, ...top, listen, peer, store });
}
