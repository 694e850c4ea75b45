/** What stands behind the line at which the chain broke: it shows what kind of break it is. */
import type { Aftermath, Break } from "./damage.ts";
import type { Envelope, EnvelopeReader } from "./envelope.ts";
import { eachLine } from "./lines.ts";

/** Reads on from the broken line, which begins at `offset` of the first of `paths`, to the end of the trail. */
export async function readAftermath(reader: EnvelopeReader, broken: Break, paths: readonly string[], offset: number): Promise<Aftermath> {
  const after = { next: undefined as Envelope | undefined, expectedLater: false, foundLater: false };
  for (const [i, path] of paths.entries()) {
    const from = i === 0 ? offset : 0;
    await eachLine(path, (block, start, end, at) => {
      const envelope = i === 0 && at === offset ? undefined : reader.read(block, start, end);
      if (envelope === undefined) return true;
      after.next ??= envelope;
      after.expectedLater ||= envelope.seq === broken.expected;
      after.foundLater ||= envelope.seq === broken.found.seq;
      return true;
    }, from);
  }
  return after;
}
