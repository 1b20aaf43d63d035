/** The thread that watches a directory for a moment (inotify-probe.ts). What that throws is for whoever waits for its end. */
import { workerData } from "node:worker_threads";
import { watchDir } from "./watch-dir.js";

watchDir(String(workerData), { onName: () => undefined, onEnd: () => undefined }).close();
