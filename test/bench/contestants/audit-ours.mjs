/** So many emitters on one trail, each waiting for its record before the next. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { AuditLog } from "../../../dist/index.js";
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
    answer: (acknowledged) => ({ dir: log.dir, records: new Set(acknowledged).size, last: Math.max(...acknowledged) }),
  };
}
