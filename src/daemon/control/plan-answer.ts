/** What `resync --dry-run` is answered: what a comparison would do, replica by replica and mailbox by mailbox. */
import type { StepKind } from "../../agent/planned-mailbox.js";

export interface PlanAnswer {
  readonly replicas: readonly PlannedReplica[];
  /** As of a resync. */
  readonly limited: readonly { readonly name: string; readonly mailboxes: number; readonly why: string }[];
}

interface OfReplica {
  readonly store: string;
  readonly replica: string;
}

export type PlannedReplica = ReplicaPlan | UnplannedReplica;

export interface ReplicaPlan extends OfReplica, TwinPlan {
  readonly kind: "planned";
}

export interface TwinPlan {
  /** That were compared, and the source's messages of them. */
  readonly mailboxes: number;
  readonly messages: number;
  /** Of the mailboxes: equal; to be changed; not compared, since that failed. */
  readonly equal: number;
  readonly toChange: number;
  readonly failed: number;
  /** The whole replica is being compared now: what that has done already is not told. */
  readonly comparing: boolean;
  /** Messages of the store that are gone at the source, and whose deletion is held back. */
  readonly heldBack: number;
  /** Of all mailboxes, kind by kind. */
  readonly sums: readonly PlannedSum[];
  /** By path: those that differ, and where it was asked for the equal ones. */
  readonly plans: readonly MailboxPlan[];
  /** Mailboxes that differ and are not among the plans: there are too many. */
  readonly further: number;
  readonly elapsedMs: number;
}

interface UnplannedReplica extends OfReplica {
  readonly kind: "unplanned";
  readonly code: string;
  readonly words: string;
}

/** "held-back": gone at the source, and not to be deleted before a person has said so. */
export type PlannedKind = StepKind | "held-back";

export interface PlannedSum {
  readonly kind: PlannedKind;
  readonly count: number;
  /** Of messages that come. */
  readonly bytes: number;
  readonly words: string;
}

export interface MailboxPlan {
  readonly mailbox: string;
  readonly guid: string;
  /** Something of it was on its way all the time: part of this may be that. */
  readonly changing: boolean;
  readonly failure?: { readonly code: string; readonly words: string };
  /** None: it is equal. */
  readonly actions: readonly PlannedAction[];
}

/** What would be done, to how many, and why. */
export interface PlannedAction extends PlannedSum {
  readonly why: string;
  /** The first of them. */
  readonly messages: readonly { readonly uid: number; readonly words: string }[];
}
