/** What a comparison would do, in words: what, to how many, and why. Pure. */
import type { PlannedGroup, PlannedStep } from "../../agent/planned-mailbox.js";
import { formatBytes, formatCount } from "../../base/text-format.js";
import type { PlannedAction, PlannedKind, PlannedSum } from "../control/plan-answer.js";
import { REPLICATED, shown, shownName, wordsOfMessage } from "../verify/difference-words.js";
import { countOf } from "../words.js";

/** Nothing is done about these. */
const IDLE: ReadonlySet<PlannedKind> = new Set<PlannedKind>(["keep", "keep-files", "held-back"]);

export function isIdle({ kind }: Pick<PlannedAction, "kind">): boolean {
  return IDLE.has(kind);
}

export function actionOf({ kind, count, bytes, first }: PlannedGroup): PlannedAction {
  const [step] = first;
  const [words, why] = step === undefined ? ["", ""] : wordsOf(step, count, bytes);
  const messages = first.flatMap((each) => {
    const detail = wordsOfOne(each);
    return detail === undefined || !("uid" in each) ? [] : [{ uid: each.uid, words: detail }];
  });
  return { kind, count, bytes, words, why, messages };
}

/** Deletions of the source's that are held back, of a mailbox that stands there; `uids`: the first. */
export function heldBackAction(count: number, uids: readonly number[], whoLetsGo: string): PlannedAction {
  const messages = uids.map((uid) => ({ uid, words: `UID ${uid}` }));
  const why = `gone at the source, and their deletion is held back (${whoLetsGo})`;
  return { kind: "held-back", count, bytes: 0, words: `leave ${countOf(count, "message")}`, why, messages };
}

type Words = readonly [what: string, why: string];

/** `step`: the first of `count`. */
function wordsOf(step: PlannedStep, count: number, bytes: number): Words {
  const messages = countOf(count, "message");
  const [them, they] = count === 1 ? ["it", "it goes"] : ["them", "they go"];
  switch (step.kind) {
    case "remove":
      return [`remove ${messages}`, `the source does not have ${them}; ${they} to the limbo`];
    case "forget":
      return [`forget ${messages}`, `neither side has ${them} any more`];
    case "marks":
      return [`change flags of ${messages}`, "the source's are others"];
    case "rebind":
      return [`change UID, name, size, date or record of ${messages}`, "the source's are others"];
    case "add":
      return [`add ${messages} (${formatBytes(bytes)})`, `the replica lacks ${them}`];
    case "new-uid": {
      const [what, own] = count === 1 ? ["a new UID", "its own UID"] : ["new UIDs", "their own UIDs"];
      const why = `the replica lacks ${them}, and cannot give ${them} ${own} any more`;
      return [`add ${messages} (${formatBytes(bytes)}), with ${what} on both sides`, why];
    }
    case "adopt":
      return [`count ${messages} as replicated`, `the replica has ${them} already: no body is sent`];
    case "keep":
      return [`leave ${messages}`, `only the replica has ${them}`];
    case "keep-files":
      return [`leave ${messages} without a UID`, `only the replica has ${them}, or has not numbered ${them} yet`];
    default:
      return wordsOfMailbox(step);
  }
}

type OfMailbox = Exclude<PlannedStep, { readonly uid: number } | { readonly kind: "keep-files" }>;

function wordsOfMailbox(step: OfMailbox): Words {
  switch (step.kind) {
    case "make":
      return ["make the mailbox", step.isGone ? "it is gone from the replica" : "the replica lacks it"];
    case "occupied": {
      const why = "unless it is empty it stays, and the replica refuses this one";
      return [`find another mailbox at its place (GUID ${step.mailbox})`, why];
    }
    case "rename": {
      const also = step.changesPlaces ? ", in exchange with the one that stands there" : "";
      return [`rename it from "${shownName(step.from)}"${also}`, "the source has it here"];
    }
    case "renumber": {
      const why = `UIDVALIDITY is ${step.after} at the source, ${step.before} on the replica: every UID there is void, and clients fetch all of it anew`;
      return [`give its ${countOf(step.messages, "message")} the source's UIDs`, why];
    }
    case "delete":
      return [
        `delete the mailbox, with ${countOf(step.messages, "message")}`,
        "the source does not have it; it goes to the limbo",
      ];
    case "keep-mailbox": {
      const why = `the source does not have it, and the replica refuses to delete it: ${countOf(step.own, "message")} only the replica has`;
      return [`leave the mailbox, with ${countOf(step.messages, "message")}`, why];
    }
    case "forget-mailbox":
      return ["forget the mailbox", "neither side has it any more"];
    case "next-uid":
      return [`raise UIDNEXT from ${step.before} to ${step.after}`, "the source has come further"];
    case "raise":
      return [
        `raise the source's UIDNEXT from ${step.before} to ${step.after}`,
        "the replica has given out the UIDs between, and no message gets one of them again",
      ];
    case "note":
      return ["note how it stands", "what the replica has noted of it is older than its mail, which is equal"];
  }
}

/** Undefined of what is no message. */
function wordsOfOne(step: PlannedStep): string | undefined {
  switch (step.kind) {
    case "remove":
    case "forget":
    case "keep":
      return `UID ${step.uid} (${shown(step.base)})`;
    case "marks": {
      const rest = { uid: step.uid, base: step.base, size: 0, mtimeS: 0, fields: "" };
      return `UID ${step.uid}: ${wordsOfMessage({ ...rest, ...step.after }, { ...rest, ...step.before }, REPLICATED)}`;
    }
    case "rebind": {
      const { uid, fromUid, before, after } = step;
      if (fromUid !== uid) return `UID ${fromUid}: it becomes UID ${uid}`;
      return `UID ${uid}: ${before === undefined ? "it differs" : wordsOfMessage(after, before, REPLICATED)}`;
    }
    case "new-uid": {
      const why = step.found === undefined ? "the replica has passed it" : `there it is ${shown(step.found)}`;
      return `UID ${step.uid} (${formatBytes(step.size)}): ${why}`;
    }
    case "add":
      return `UID ${step.uid} (${formatBytes(step.size)})`;
    case "adopt":
      return `UID ${step.uid}`;
    default:
      return undefined;
  }
}

/** Of all mailboxes: "3 messages added (1.20 kB)". */
export function wordsOfSum({ kind, count, bytes }: Omit<PlannedSum, "words">): string {
  const messages = countOf(count, "message");
  const mailboxes = countOf(count, "mailbox");
  const words: Readonly<Record<PlannedKind, string>> = {
    make: `${mailboxes} made`,
    occupied: `${mailboxes} at whose place another stands`,
    rename: `${mailboxes} renamed`,
    renumber: `${mailboxes} with the source's UIDs in place of others`,
    delete: `${mailboxes} deleted`,
    "keep-mailbox": `${mailboxes} left that the replica refuses to delete`,
    "forget-mailbox": `${mailboxes} forgotten`,
    remove: `${messages} removed`,
    forget: `${messages} forgotten`,
    marks: `${messages} with other flags`,
    rebind: `${messages} with another UID, name, size, date or record`,
    "new-uid": `${messages} added with new UIDs on both sides (${formatBytes(bytes)})`,
    add: `${messages} added (${formatBytes(bytes)})`,
    adopt: `${formatCount(count)} counted as replicated`,
    "next-uid": `${mailboxes} with another UIDNEXT`,
    raise: `${mailboxes} with a higher UIDNEXT at the source`,
    note: `${mailboxes} noted anew`,
    keep: `${messages} left that only the replica has`,
    "keep-files": `${messages} left without a UID`,
    "held-back": `${messages} left whose deletion is held back`,
  };
  return words[kind];
}
