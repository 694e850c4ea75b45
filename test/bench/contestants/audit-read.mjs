/** Verifies a whole trail, reads its records, looks for some of them, or only hashes its lines. */
import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { openSync, readdirSync, readSync, closeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { queryTrail, verifyTrail } from "../../../dist/index.js";
import { trailRecords } from "../../../dist/audit/records.js";

const BLOCK_BYTES = 1024 * 1024;
const WAYS = { verify, read, query, grep, floor };

export default async function setUp({ dir, way }) {
  return { round: () => WAYS[way](dir) };
}

async function verify(dir) {
  const { ok, records, closed } = await verifyTrail(dir);
  if (!ok || !closed) throw new Error("the trail is whole, and was said not to be");
  return { records };
}

async function read(dir) {
  let records = 0;
  for await (const { seq } of trailRecords(dir)) {
    if (seq !== records) throw new Error(`record ${seq} came where ${records} was expected`);
    records += 1;
  }
  return { records };
}

async function query(dir) {
  let matches = 0;
  for await (const { sev, type } of queryTrail(dir, { severities: ["CRITICAL"] })) if (sev === "CRITICAL" && type === "ModelLoaded") matches += 1;
  return { matches };
}

/** What most would do: every byte is looked at, and no line is parsed. */
async function grep(dir) {
  const log = join(dir, "log");
  const { stdout } = await promisify(execFile)("grep", ["-hc", "-F", '"sev":"CRITICAL"', ...readdirSync(log).map((name) => join(log, name))]);
  return { matches: stdout.trim().split("\n").reduce((sum, count) => sum + Number(count), 0) };
}

/** What verification cannot do without: each byte read once and each line hashed once. */
async function floor(dir) {
  let records = 0;
  for (const name of readdirSync(join(dir, "log"))) records += hashed(join(dir, "log", name));
  return { records };
}

function hashed(path) {
  const fd = openSync(path);
  const block = Buffer.alloc(BLOCK_BYTES);
  let kept = 0, records = 0;
  for (let count; (count = readSync(fd, block, kept, block.length - kept, null)) > 0;) {
    const filled = block.subarray(0, kept + count);
    let start = 0;
    for (let end = filled.indexOf(10); end !== -1; end = filled.indexOf(10, start)) {
      hash("sha256", filled.subarray(start, end), "hex");
      start = end + 1;
      records += 1;
    }
    block.copyWithin(0, start, filled.length);
    kept = filled.length - start;
  }
  closeSync(fd);
  return records;
}
