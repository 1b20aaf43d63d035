/**
 * Nominal types over primitives. A brand has exactly one door (its `parseX`), and only that file casts to it.
 */
declare const brand: unique symbol;

/** `T` that has passed the door named `Name`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
