/** winston's file transport, waited for as far as it can be: nothing in it asks the disk, so this is not durable. */
import { once } from "node:events";
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { importPeer } from "../peers.mjs";

export default async function setUp({ peers, folder, records, bytes }) {
  const { default: winston } = await importPeer(peers, "winston");
  const details = { line: "x".repeat(bytes - 60) };
  return {
    async round() {
      const filename = join(mkdtempSync(join(folder, "winston-")), "trail.jsonl");
      const file = new winston.transports.File({ filename });
      const logger = winston.createLogger({ transports: [file] });
      const all = loggedTimes(file, records);
      for (let i = 0; i < records; i += 1) logger.info("loaded", details);
      // Ended before, it writes after its own end and dies of it.
      await all;
      const finished = once(file, "finish");
      logger.end();
      await finished;
      return filename;
    },
    answer(filename) {
      leaveNothingToWrite(filename);
      return { records: readFileSync(filename, "latin1").split("\n").length - 1 };
    },
  };
}

/** Untimed: what the kernel has still to write would be written in the rounds of the others. */
function leaveNothingToWrite(path) {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

function loggedTimes(file, count) {
  return new Promise((resolve) => {
    let logged = 0;
    file.on("logged", () => { if (++logged === count) resolve(); });
  });
}
