/** The state database through its worker thread, as the program uses it, and on the calling thread, as tests do. */
import { openStateWriter } from "../../src/log/state-writer.js";
import { openInlineStateWriter } from "./inline-state-writer.js";
import { describeStateStore } from "./state-store.js";

describeStateStore("worker thread", (path) => openStateWriter(path, { create: true }));
describeStateStore("calling thread", async (path) => openInlineStateWriter(path));
