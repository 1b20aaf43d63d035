/**
 * mailtwin's command lines where two stores are compared or made equal: both here, or one of them as HOST:PATH over a pipe.
 */
import type { Carriers } from "../measure/carriers.js";
import type { Command } from "../measure/run-contender.js";

/** Where the other store is: a path here, or reached by what stands in ssh's place. */
export type Way = "here" | "host" | "host, counted";

export interface Stores {
  readonly a: string;
  readonly b: string;
  readonly way: Way;
  /** XDG_STATE_HOME of both ends. */
  readonly stateHome: string;
}

export class MailtwinCalls {
  readonly #mailtwin: readonly string[];
  readonly #carriers: Carriers;

  constructor(mailtwin: readonly string[], carriers: Carriers) {
    this.#mailtwin = mailtwin;
    this.#carriers = carriers;
  }

  /** Says it as JSON; 1 is an answer too. */
  verify(stores: Stores): Command {
    return { ...this.#call("verify", stores, ["--json"]), exitCodes: [0, 1] };
  }

  /** `state`: of the twin. `more`: further flags. */
  sync(stores: Stores, state: string, ...more: readonly string[]): Command {
    return this.#call("sync", stores, ["--state", state, ...more]);
  }

  #call(verb: string, { a, b, way, stateHome }: Stores, more: readonly string[]): Command {
    const env = { XDG_STATE_HOME: stateHome };
    if (way === "here") return { argv: [...this.#mailtwin, verb, a, b, ...more], env };
    const { bare, counting, countedBytes } = this.#carriers;
    const over = ["-e", way === "host" ? bare : counting, "--remote-mailtwin", this.#mailtwin.join(" ")];
    const counted = way === "host" ? {} : { wireBytes: countedBytes };
    return { argv: [...this.#mailtwin, verb, a, `x:${b}`, ...over, ...more], env, ...counted };
  }
}
