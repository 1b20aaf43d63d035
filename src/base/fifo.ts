/**
 * A first-in-first-out list with constant-time ends: `Array.shift` moves every element once the list is long.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The one that `at` others come before; undefined beyond the last. */
  at(at: number): T | undefined {
    return this.#items[this.#head + at];
  }

  /** Undefined when empty; so a list of `undefined`s is told apart by `length` only. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined; // let go of it before the list is compacted.
    this.#head += 1;
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
