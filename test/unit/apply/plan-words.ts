/**
 * A plan in words, one line a step, so that tests compare sentences. The program itself prints transactions (--dry-run): a plan
 * has file names and flags in it, which never go to a log.
 */

import type { ApplyStep, HeaderWrite } from "../../../src/apply/mailbox-view.js";
import type { ApplyPlan } from "../../../src/apply/plan.js";
import { unreachable } from "../../../src/base/assert.js";
import { displayRaw } from "../../../src/base/raw-name.js";
import type { UidlistRecord } from "../../../src/maildir/uidlist-write.js";

/** Empty when there is nothing to do. */
export function describePlan({ steps }: Pick<ApplyPlan, "steps">): string[] {
  return steps.map(describeStep);
}

function describeStep(step: ApplyStep): string {
  switch (step.kind) {
    case "write-keywords":
      return `write-keywords ${step.table.flatMap((name, index) => (name === undefined ? [] : [`${index}=${displayRaw(name)}`])).join(" ")}`;
    case "limbo":
      return `limbo ${step.file.dir}/${displayRaw(step.file.name)} (${step.subject.cause})`;
    case "place":
      return `place #${step.index} as ${step.dir}/${displayRaw(step.name)}`;
    case "rename":
      return `rename ${step.file.dir}/${displayRaw(step.file.name)} to ${step.dir}/${displayRaw(step.name)}`;
    case "set-time":
      return `set-time ${step.dir}/${displayRaw(step.name)} ${step.mtimeS}`;
    case "nudge":
      return "nudge";
    case "append-records":
      return `append ${records(step.add)}`;
    case "rewrite-uidlist": {
      const { header, drop, replace, add } = step;
      const parts = [
        `N${header.uidNext}${identity(header)}`,
        ...(drop.size === 0 ? [] : [`-${[...drop].sort((a, b) => a - b).join(",")}`]),
        ...(replace.size === 0 ? [] : [`~${records([...replace.values()])}`]),
        ...(add.length === 0 ? [] : [`+${records(add)}`]),
      ];
      return `rewrite ${parts.join(" ")}`;
    }
    default:
      return unreachable(step);
  }
}

function identity({ reset }: HeaderWrite): string {
  return reset === undefined ? "" : ` V${reset.uidValidity} G${reset.guid}`;
}

function records(list: readonly UidlistRecord[]): string {
  return list.map(({ uid, base }) => `${uid}:${displayRaw(base)}`).join(",");
}
