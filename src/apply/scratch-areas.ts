/**
 * Names of the directories in the scratch directory, beside the limbo. What a mailbox leaves in PARKED or HELD is on its way and
 * comes back; ASIDE is mail that waits for the end of a first contact; STAGE and BUILD are cleared at every start.
 */
export const STAGE = "stage";
export const BUILD = "build";
export const PARKED = "parked";
export const HELD = "held";
export const ASIDE = "aside";
/** A file that stands in every one: held while a process works there. */
export const SCRATCH_LOCK = "lock.db";
