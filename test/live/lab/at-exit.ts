/** Things to undo when this process ends early, whatever the reason that still lets it run code. One listener for all. */
const pending = new Set<() => void>();
let listening = false;

/** Calls `undo` (which must be synchronous) at exit, unless the returned function is called before. */
export function atExit(undo: () => void): () => void {
  if (!listening) {
    process.once("exit", () => {
      for (const each of pending) each();
    });
    listening = true;
  }
  pending.add(undo);
  return () => pending.delete(undo);
}
