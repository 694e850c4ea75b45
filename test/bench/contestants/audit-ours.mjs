/** So many emitters on one trail, each waiting for its record before the next; the trail is verified after each round. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { AuditLog, verifyTrail } from "../../../dist/index.js";
import { loadedEvent } from "../audit-events.mjs";

export default async function setUp({ folder, emitters, records, severity }) {
  const log = await AuditLog.open(mkdtempSync(join(folder, "trail-")));
  const events = Array.from({ length: emitters }, (_, i) => loadedEvent(i, severity));
  return {
    async round() {
      const acknowledged = new Float64Array(records);
      let begun = 0;
      const emitter = async (event) => {
        for (let i = begun++; i < records; i = begun++) acknowledged[i] = (await log.emit(event)).seq;
      };
      await Promise.all(events.map(emitter));
      return acknowledged;
    },
    async answer(acknowledged) {
      const { ok, records: all, damage } = await verifyTrail(log.dir);
      if (!ok || Math.max(...acknowledged) >= all) throw new Error(damage?.message ?? "an acknowledged record is missing");
      return { records: new Set(acknowledged).size };
    },
  };
}
