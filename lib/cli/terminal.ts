/** Text for people and lines for programs: neither may let a file name or a file's content steer the terminal. */

/**
 * What is shown as it is: letters, marks, digits, punctuation, symbols and the plain space. Not among them:
 * controls, bidi marks and other invisible characters, and letters that are written from right to left, because
 * they move the text beside them.
 */
const UNSAFE =
  /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|\p{Default_Ignorable_Code_Point}|[\u{590}-\u{8FF}\u{FB1D}-\u{FDFF}\u{FE70}-\u{FEFF}\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/gu;

/** Characters that JSON may hold raw but a terminal may act on. */
const NOT_PLAIN_ASCII = /[^\x20-\x7e]/g;

/** The text with everything unsafe as `\u{…}`, cut after `most` characters. */
export function visible(text: string, most: number = Number.POSITIVE_INFINITY): string {
  const shown = text.length <= most ? text : `${wholeCharacters(text, most)}…`;
  const safe = shown.replace(UNSAFE, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`);
  return shown === text ? safe : `${safe} (${text.length} characters)`;
}

/** Never cuts a surrogate pair in two. */
function wholeCharacters(text: string, most: number): string {
  const last = text.charCodeAt(most - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? most - 1 : most);
}

/** One line of pure ASCII JSON. Whole numbers beyond 2^53 and numbers that are not finite become strings. */
export function jsonLine(value: object): string {
  const line = JSON.stringify(value, (_, item: unknown) => plain(item));
  return line.replace(NOT_PLAIN_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function plain(item: unknown): unknown {
  if (typeof item === "bigint") {
    return item >= Number.MIN_SAFE_INTEGER && item <= Number.MAX_SAFE_INTEGER ? Number(item) : item.toString();
  }
  return typeof item === "number" && !Number.isFinite(item) ? String(item) : item;
}
