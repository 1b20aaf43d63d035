/**
 * From an address to a link: dial, greet, say what this end wants.
 */
import type { Duplex } from "node:stream";
import { unreachable } from "../../base/assert.js";
import type { Clock } from "../../base/clock.js";
import { MailtwinError } from "../../base/errors.js";
import type { Address } from "../../wire/address.js";
import { DEFLATE, openCompressed } from "../../wire/compressed.js";
import { wireError } from "../../wire/errors.js";
import { type Agreement, type Greeting, greet, greetingOf } from "../../wire/greeting.js";
import { isKeyName } from "../../wire/key-name.js";
import type { SiteKey } from "../../wire/keys.js";
import { LIMBO } from "../../wire/limbo.js";
import type { Link } from "../../wire/link.js";
import { askToOpen, type OpenedSource, type Opening } from "../../wire/opening.js";
import { dialSsh } from "../../wire/ssh-carrier.js";
import { openStreamLink, type StreamLinkPorts } from "../../wire/stream-link.js";
import { dialTls } from "../../wire/tls-carrier.js";
import { dialUnix } from "../../wire/unix-carrier.js";
import { VERSION } from "../version.js";

const SOFTWARE = `mailtwin ${VERSION}`;
/** Of who is dialled, which takes what the other end wants. */
export const OUR_GREETING = greetingOf([DEFLATE, LIMBO], SOFTWARE);
/** Of who dials another process of its own host. */
export const OUR_GREETING_HERE = greetingOf([LIMBO], SOFTWARE);

/** Of who passes a link on to a process of its own host: what travels compressed is unpacked here, all else is for the other end to answer. */
export function greetingPassedOn({ capabilities }: Agreement): Greeting {
  return greetingOf(
    [...capabilities].filter((name) => name !== DEFLATE),
    SOFTWARE,
  );
}

export interface LinkDial {
  readonly address: Address;
  /** For messages. */
  readonly peer: string;
  /** This site's key, and the name of the other one's: for TLS. */
  readonly key: SiteKey | undefined;
  readonly peerKey: string | undefined;
  readonly opening: Opening;
  readonly clock: Clock;
  /** ssh, and what it starts over there, word by word. */
  readonly program?: readonly string[] | undefined;
  readonly remoteCommand?: readonly string[] | undefined;
}

export interface OpenedLink {
  readonly link: Link;
  /** Where the other end is the source. */
  readonly source: OpenedSource;
}

/** The signal ends the link too. Throws: the codes of the carriers, of `greet` and of `askToOpen`. */
export async function openLink(dial: LinkDial, signal: AbortSignal): Promise<OpenedLink> {
  const { peer, clock, opening } = dial;
  const stream = await dialStream(dial, signal);
  try {
    const ports = { stream, clock, peer };
    const agreement = await greet(ports, dial.address.kind === "unix" ? OUR_GREETING_HERE : OUR_GREETING, signal);
    const source = await askToOpen(ports, opening, signal);
    return { link: openAgreedLink(ports, agreement), source };
  } catch (error) {
    // A child tells more than that its pipe was closed.
    throw stream.errored instanceof MailtwinError && !signal.aborted ? stream.errored : error;
  }
}

/** The link that both ends have agreed on. */
export function openAgreedLink(ports: StreamLinkPorts, agreement: Agreement): Link {
  return openStreamLink({ ...ports, stream: streamOf(ports, agreement), capabilities: agreement.capabilities });
}

/** What follows the opening: compressed where both ends can. */
export function streamOf(
  { stream, clock }: Pick<StreamLinkPorts, "stream" | "clock">,
  { capabilities }: Agreement,
): Duplex {
  return capabilities.has(DEFLATE) ? openCompressed(stream, clock) : stream;
}

async function dialStream(dial: LinkDial, signal: AbortSignal): Promise<Duplex> {
  const { address, clock } = dial;
  switch (address.kind) {
    case "unix":
      return dialUnix({ address, clock }, signal);
    case "ssh":
      return dialSsh({ address, clock, program: dial.program, remoteCommand: dial.remoteCommand }, signal);
    case "tls": {
      const { key, peerKey = "" } = dial;
      if (key === undefined || !isKeyName(peerKey))
        throw wireError("key-unusable", `connecting to ${dial.peer}: TLS needs a key of this site and the peer's`);
      return dialTls({ address, key, peerKey, clock }, signal);
    }
    default:
      return unreachable(address);
  }
}
