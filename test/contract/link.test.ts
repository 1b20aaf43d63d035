/** The in-process link; others follow the same contract. */
import { openMemoryLink } from "../../src/wire/memory-link.js";
import { describeLink } from "./link.js";

describeLink("memory", async () => openMemoryLink());
