/** Loaded ahead of the program (`node --import`), into each of its threads: it starts at the time that MAILTWIN_TEST_MS says. */
const startMs = Number(process.env.MAILTWIN_TEST_MS);
Date.now = () => startMs + Math.floor(performance.now());
