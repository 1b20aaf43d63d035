/**
 * The notices that must go with a bundle: name, version and licence of each package whose code is in it, and the licence's text.
 *
 * A package without a file of it (@bufbuild/protobuf) states its terms at the head of its modules: these heads are taken, and
 * for the Apache License its text from the compiler's package, which is always there when a bundle is made.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const RULE = `\n\n${"-".repeat(80)}\n\n`;

/**
 * `modules` are absolute paths; those that are of no package are passed over.
 *
 * @param {Iterable<string>} modules
 * @returns {string}
 */
export function noticesOf(modules) {
  /** @type {Map<string, string[]>} */
  const modulesByPackage = new Map();
  for (const file of modules) {
    const root = /^\/.*\/node_modules\/(?:@[^/]+\/)?[^/@.][^/]*(?=\/)/.exec(file)?.[0];
    if (root === undefined || !existsSync(join(root, "package.json"))) continue;
    modulesByPackage.set(root, [...(modulesByPackage.get(root) ?? []), file]);
  }
  const notices = [...modulesByPackage].map(([root, files]) => noticeOf(root, files));
  return ["Code of these packages is part of the files beside this one.", ...notices.sort()].join(RULE).concat("\n");
}

/**
 * @param {string} root
 * @param {readonly string[]} files
 */
function noticeOf(root, files) {
  const { name, version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const texts = readdirSync(root).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const terms = texts.length > 0 ? texts.map((file) => readText(join(root, file))) : termsInSource(license, files);
  if (terms.length === 0) throw new Error(`no licence text was found for ${name}`);
  return [`${name} ${version} (${license})`, ...terms].join("\n\n");
}

/**
 * @param {string} license
 * @param {readonly string[]} files
 */
function termsInSource(license, files) {
  const heads = new Set(files.map((file) => /^(?:\/\/.*\n)+/.exec(readFileSync(file, "utf8"))?.[0].trimEnd() ?? ""));
  heads.delete("");
  if (!license.includes("Apache-2.0")) return [...heads];
  const compiler = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  return [...heads, readText(join(compiler, "LICENSE.txt"))];
}

/** @param {string} file */
function readText(file) {
  return readFileSync(file, "utf8").replaceAll("\r\n", "\n").trim();
}
