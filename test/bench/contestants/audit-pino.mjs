/** pino with a synchronous destination that calls fsync after each write. */
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { importPeer } from "../peers.mjs";

export default async function setUp({ peers, folder, records, bytes }) {
  const { default: pino } = await importPeer(peers, "pino");
  const dest = join(mkdtempSync(join(folder, "pino-")), "trail.jsonl");
  const logger = pino({ base: null }, pino.destination({ dest, sync: true, fsync: true }));
  const details = { line: "x".repeat(bytes - 60) };
  const written = () => readFileSync(dest, "latin1").split("\n").filter((line) => line.endsWith('x","msg":"loaded"}')).length;
  return {
    async round() {
      const before = written.last ?? 0;
      for (let i = 0; i < records; i += 1) logger.info(details, "loaded");
      return before;
    },
    answer(before) {
      written.last = written();
      return { records: written.last - before };
    },
  };
}
