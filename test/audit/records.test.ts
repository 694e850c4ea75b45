import { appendFileSync, copyFileSync } from "node:fs";
import { expect, test } from "vitest";
import { trailRecords } from "../../lib/audit/records.ts";
import { segmentsOf, writtenTrail } from "./support.ts";

async function seqsOf(dir: string): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { seq, prev, type } of trailRecords(dir)) {
    expect(prev).toHaveLength(64);
    expect(type).not.toBe("");
    seqs.push(seq);
  }
  return seqs;
}

test("the records of a trail come in order, over all its segments", async () => {
  const dir = await writtenTrail(100, { segmentBytes: 16_384 });
  expect(segmentsOf(dir).length).toBeGreaterThan(2);
  const seqs = await seqsOf(dir);
  expect(seqs).toEqual(seqs.map((_, i) => i));
});

test("repeated records come once, and what is no record not at all", async () => {
  const dir = await writtenTrail(60, { segmentBytes: 16_384 });
  const [first = "", second = ""] = segmentsOf(dir);
  copyFileSync(second, second.replace(".jsonl", ".1.jsonl"));
  appendFileSync(first, "garbage\n{}\n{\"v\":2,\"seq\":5}\n");
  const seqs = await seqsOf(dir);
  expect(seqs).toEqual(seqs.map((_, i) => i));
});
