/** A durable CRITICAL record and a bare write with fdatasync in turn, so that the disk's moods hit both alike. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { AuditLog, verifyTrail } from "../../../dist/index.js";
import { loadedEvent } from "../audit-events.mjs";

export default async function setUp({ folder, records, bytes }) {
  const home = mkdtempSync(join(folder, "latency-"));
  const log = await AuditLog.open(join(home, "trail"));
  const line = `${"x".repeat(bytes - 1)}\n`;
  const event = loadedEvent(0, "CRITICAL");
  return {
    async round() {
      const fd = openSync(join(home, `bare-${log.size}`), "a");
      const before = log.size;
      const bare = [], durable = [];
      for (let i = 0; i < records; i += 1) {
        const start = performance.now();
        writeSync(fd, line);
        fdatasyncSync(fd);
        const middle = performance.now();
        await log.emit(event);
        durable.push(performance.now() - middle);
        bare.push(middle - start);
      }
      closeSync(fd);
      return { before, bare: quantiles(bare), durable: quantiles(durable) };
    },
    async answer({ before, bare, durable }) {
      const { ok, records: all } = await verifyTrail(log.dir);
      return { ok, records: all - before, bare, durable };
    },
  };
}

function quantiles(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.floor(part * (sorted.length - 1))];
  return { p50: at(0.5), p99: at(0.99) };
}
