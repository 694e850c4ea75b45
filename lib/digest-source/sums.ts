/**
 * SHA256SUMS as GNU coreutils write it: a digest, a blank, a blank or an asterisk, a name, a line feed. A line that begins with a
 * backslash has a name in which backslash, line feed and carriage return are escaped. Lines that begin with # are left out.
 */
import { BadSource } from "./source.ts";
import type { NamedDigest } from "./source.ts";

const LINE = /^(?<escaped>\\?)(?<sha256>[0-9a-fA-F]{64}) [ *](?<name>[^\0]+)$/su;
const ESCAPES: Readonly<Record<string, string>> = { "\\\\": "\\", "\\n": "\n", "\\r": "\r" };

/** @throws BadSource that names the line and its offset */
export function parseSums(bytes: Buffer): NamedDigest[] {
  const lines = bytes.toString("latin1").split("\n");
  // What stands behind the last line feed is a line only if there is something.
  if (lines.at(-1) === "") lines.pop();
  const digests: NamedDigest[] = [];
  let offset = 0;
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith("#")) digests.push(parseLine(line, index + 1, offset));
    offset += line.length + 1;
  }
  return digests;
}

function parseLine(line: string, number: number, offset: number): NamedDigest {
  const place = `line ${number}`;
  const { escaped = "", sha256 = "", name = "" } = LINE.exec(line)?.groups ?? {};
  if (name === "") throw new BadSource(`${place} is not "DIGEST  NAME", as sha256sum writes it`, offset);
  if (name.endsWith("\r") && escaped === "") throw new BadSource(`${place} ends with a carriage return: the file was saved with line ends of another system`, offset);
  return { name: escaped === "" ? name : unescaped(name, place, offset), sha256: sha256.toLowerCase(), place };
}

function unescaped(name: string, place: string, offset: number): string {
  return name.replaceAll(/\\.?/gsu, (escape) => {
    const meant = ESCAPES[escape];
    if (meant === undefined) throw new BadSource(`${place} has a backslash in its name that escapes nothing`, offset);
    return meant;
  });
}
