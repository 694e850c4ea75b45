/** better-sqlite3, WAL with synchronous=FULL: a transaction of so many records is durable when it returns. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { importPeer } from "../peers.mjs";

export default async function setUp({ peers, folder, records, batch, bytes }) {
  const { default: Database } = await importPeer(peers, "better-sqlite3");
  const database = new Database(join(mkdtempSync(join(folder, "sqlite-")), "trail.db"));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec("CREATE TABLE records (seq INTEGER PRIMARY KEY, line TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO records (line) VALUES (?)");
  const count = database.prepare("SELECT count(*) AS records, min(length(line)) AS bytes FROM records");
  const line = "x".repeat(bytes);
  const together = database.transaction((many) => { for (let i = 0; i < many; i += 1) insert.run(line); });
  return {
    async round() {
      const before = count.get().records;
      for (let done = 0; done < records; done += batch) together(Math.min(batch, records - done));
      return before;
    },
    answer(before) {
      const found = count.get();
      if (found.bytes !== bytes) throw new Error(`a record has ${found.bytes} bytes`);
      return { records: found.records - before };
    },
  };
}
