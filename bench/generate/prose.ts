/**
 * A pool of paragraphs that mails are cut from: plain text and the same text as HTML.
 *
 * Words follow Zipf's law over some hundred common words and a few thousand made-up ones, so that a mail of 6 kB made of
 * these compresses about as real mail does (raw deflate level 1: about 3:1). Paragraphs are short (under 1 kB) and mails
 * choose them at random, so that two mails share no long run of bytes: a replicator that finds repeats between mails must
 * find those that were planted (attachments), not artefacts of the pool.
 */
import { createRandom, type Random } from "./random.js";

export interface Paragraph {
  /** Lines of at most 76 characters, each ending in a line feed. */
  readonly text: Buffer;
  /** The same words inside mark-up. */
  readonly html: Buffer;
  /** The same lines as a reply quotes them. */
  readonly quoted: Buffer;
}

const PARAGRAPHS = 6000;
const PROSE_STREAM = 0x7e47;
const LINE_MAX = 74;

const COMMON =
  `the to and of you is a in for on it this that we be have with are will your as if not can please I from at our or by
  was but has all any they there would thanks me so about more do know just when what time need which been also me up out
  order meeting email invoice team project report week today tomorrow Monday Friday customer number attached regards best
  update send sent let see new work next call question issue account server change list first could should some after
  before date details information contact help here document review version release draft question contract office
  wir die der und das ist nicht mit auf eine Sie ich zu den von im Herr Frau Anbei Rechnung bitte vielen Dank Termin`.split(
    /\s+/,
  );

const ONSETS = [
  "b",
  "br",
  "c",
  "cl",
  "d",
  "dr",
  "f",
  "g",
  "gr",
  "h",
  "l",
  "m",
  "n",
  "p",
  "pr",
  "r",
  "s",
  "st",
  "t",
  "v",
];
const NUCLEI = ["a", "e", "i", "o", "u", "ea", "ou", "ie", "ai"];
const CODAS = ["", "n", "r", "s", "t", "l", "ng", "nd", "ck", "m", "st"];
const ENDINGS = ["", "ing", "ed", "er", "tion", "ment", "ly", "s"];

/** The pool of one seed; a few MB, made in well under a second. */
export function makeProse(seed: number): readonly Paragraph[] {
  const random = createRandom(seed, PROSE_STREAM);
  const words = [...COMMON, ...Array.from({ length: 2500 }, () => madeUpWord(random))];
  const pick = zipfPicker(words, random);
  return Array.from({ length: PARAGRAPHS }, () => makeParagraph(pick, random));
}

/** A few words without a line feed, for subjects and file names. */
export function makePhrase(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(COMMON)).join(" ");
}

function madeUpWord(random: Random): string {
  let word = "";
  for (let left = 1 + random.below(2); left > 0; left--)
    word += random.pick(ONSETS) + random.pick(NUCLEI) + random.pick(CODAS);
  return word + random.pick(ENDINGS);
}

function zipfPicker(words: readonly string[], random: Random): () => string {
  const cumulative = new Float64Array(words.length);
  let total = 0;
  for (let rank = 0; rank < words.length; rank++) {
    total += 1 / (rank + 4) ** 1.3;
    cumulative[rank] = total;
  }
  return () => {
    const wanted = random.unit() * total;
    let low = 0;
    let high = words.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return words[low] ?? "the";
  };
}

function makeParagraph(pick: () => string, random: Random): Paragraph {
  const lines: string[] = [];
  let line = "";
  let sentence = 0;
  for (let left = 15 + random.below(90); left > 0; left--) {
    let word = pick();
    if (sentence === 0) word = word.charAt(0).toUpperCase() + word.slice(1);
    sentence++;
    if (left === 1 || (sentence > 4 && random.chance(0.12))) {
      word += random.chance(0.85) ? "." : "?";
      sentence = 0;
    } else if (random.chance(0.06)) word += ",";
    if (line.length + word.length + 1 > LINE_MAX) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return {
    text: Buffer.from(`${lines.join("\n")}\n\n`, "latin1"),
    quoted: Buffer.from(`> ${lines.join("\n> ")}\n>\n`, "latin1"),
    html: Buffer.from(markUp(lines, random), "latin1"),
  };
}

function markUp(lines: readonly string[], random: Random): string {
  const body = lines.join("\n");
  if (random.chance(0.5)) {
    return `<p style="margin:0 0 12px 0;font-family:Arial,Helvetica,sans-serif;font-size:14px;color:#333333">\n${body}</p>\n`;
  }
  return `<tr><td align="left" valign="top" style="padding:8px 16px;font-family:Arial,Helvetica,sans-serif">\n<span style="font-size:14px;line-height:20px">${body}</span>\n</td></tr>\n`;
}
