/** What is mounted where, as this process sees it: /proc/self/mountinfo, see proc(5). */
import { readFileSync } from "node:fs";

/** The fields of a line that are used here. */
export interface Mount {
  readonly id: string;
  readonly dev: string;
  /** The directory of the file system that is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  /** "autofs" is none yet: it waits for somebody to come by. */
  readonly fsType: string;
}

/** Paths as bytes-in-strings; of two at one mount point the later one is seen. Throws system errors. */
export function readMounts(): readonly Mount[] {
  return parseMounts(readFileSync("/proc/self/mountinfo", "latin1"));
}

/** Blanks and the like in paths are written as \ooo. */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [own = "", after = ""] = line.split(" - ");
    const [id = "", , dev = "", root = "", mountPoint = ""] = own.split(" ");
    const [fsType = ""] = after.split(" ");
    return id === "" ? [] : [{ id, dev, root: unescaped(root), mountPoint: unescaped(mountPoint), fsType }];
  });
}

function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}
