/**
 * A thread that compares bodies: takes portions of pairs and answers with the positions of those that differ.
 */
import { parentPort } from "node:worker_threads";
import { sameBytes } from "./bodies.js";

/** The two paths of each pair. */
export type BodyPortion = readonly (readonly [pathA: string, pathB: string])[];
/** Positions in the portion. */
export type DifferentBodies = readonly number[];

parentPort?.on("message", (portion: BodyPortion) => {
  const different = portion.flatMap(([pathA, pathB], at) => (sameBytes(pathA, pathB) ? [] : [at]));
  parentPort?.postMessage(different satisfies DifferentBodies);
});
