/**
 * Points the worker URLs of a source module at the compiled program, for test runs that load TypeScript directly.
 */

const WORKER_URL = /new URL\(\s*("\.{1,2}\/[^"]+\.js")\s*,\s*import\.meta\.url\s*,?\s*\)/g;

/**
 * Replaces each `new URL("./x.js", import.meta.url)` by the same relative to `compiledUrl`, which is where the module
 * lies once compiled. Other uses of `import.meta.url` stay.
 *
 * @param {string} code
 * @param {string} compiledUrl
 * @returns {string}
 */
export function rewriteWorkerUrls(code, compiledUrl) {
  return code.replace(WORKER_URL, (_all, path) => `new URL(${path}, ${JSON.stringify(compiledUrl)})`);
}
