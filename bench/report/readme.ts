/**
 * Puts a report between the markers of bench/README.md. Pure.
 */

const BEGIN = "<!-- results: begin -->";
const END = "<!-- results: end -->";

/** The text with what stands between the markers replaced. Throws when the markers are not there. */
export function replaceResults(readme: string, report: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the text has no "${BEGIN}" followed by "${END}"`);
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${report.trim()}\n\n${readme.slice(end)}`;
}
