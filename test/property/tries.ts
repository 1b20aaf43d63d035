/**
 * How a property is run: FC_RUNS tries that many values, FC_SEED and FC_PATH repeat a failure (fast-check prints both). A path
 * belongs to one property, so name it with `-t` as well.
 */
interface Tries {
  readonly numRuns: number;
  readonly seed?: number;
  readonly path?: string;
}

/** Every property takes its parameters from here; the number is what it runs without being asked otherwise. */
export function tries(usual = 100): Tries {
  const { FC_RUNS, FC_SEED, FC_PATH } = process.env;
  return {
    numRuns: FC_RUNS === undefined ? usual : Number(FC_RUNS),
    ...(FC_SEED === undefined ? {} : { seed: Number(FC_SEED) }),
    ...(FC_PATH === undefined ? {} : { path: FC_PATH }),
  };
}
