/** Questions to a trail: the answer is every record that fits, as a plain look at each of them finds it, and no other. */
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditLog, queryTrail } from "../../lib/index.ts";
import type { TrailFilter, TrailRecord } from "../../lib/index.ts";
import { queryMatches } from "../../lib/audit/query.ts";
import { everyEvent, hostileEvents } from "./samples.ts";
import { linesOf, segmentsOf, writtenTrail } from "./support.ts";

/** A record a millisecond, each at its beginning, so that a moment asked for is that of a record. */
let ticks = 0;
const CLOCK = { now: () => START_MS + ++ticks, hrtime: (): [number, number] => [1000 + Math.floor(ticks / 1000), (ticks % 1000) * 1e6] };
const START_MS = Date.parse("2026-11-24T07:00:00Z");

let dir: string;
let records: TrailRecord[];

async function seqs(filter: TrailFilter, trail = dir): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of queryTrail(trail, filter)) found.push(seq);
  return found;
}

const NAMES = ["a.gguf", "models/llama.gguf", "models/deep/llama-2.gguf", Buffer.from([0x6d, 0xff, 0x2f, 0x61]), "é*?.gguf", 'quo"ted', `${"x".repeat(4000)}/far.gguf`, `${"é".repeat(400)}behind`];

/** A trail of every kind of record, in many segments, hostile ones too, read back whole by a reader that knows no filter. */
beforeAll(async () => {
  const parent = join(mkdtempSync(join(tmpdir(), "audit-query-")), "trail");
  const log = await AuditLog.open(parent, { segmentBytes: 16_384, emergency: () => undefined, clock: CLOCK });
  const paths = NAMES.map((path, i) => ({ type: "ModelLoaded", outcome: "allowed", action: "model.load", actor: `actor-${i % 3}`, correlationId: `c "${i}"`, target: { path } }));
  for (const event of [...everyEvent(), ...hostileEvents(), ...paths, { ...paths[0], actor: "\u001b[31m" }, { ...paths[0], actor: "y".repeat(2000) }]) {
    log.emitSync(event as Parameters<AuditLog["emitSync"]>[0]);
  }
  await log[Symbol.asyncDispose]();
  dir = parent;
  records = linesOf(dir).map((line) => JSON.parse(line) as TrailRecord);
});

afterAll(() => { rmSync(dirname(dir), { recursive: true, force: true }); });

function expected(fits: (record: TrailRecord) => boolean): number[] {
  const found = records.filter(fits).map(({ seq }) => seq);
  expect(found.length).toBeGreaterThan(0);
  expect(found.length).toBeLessThan(records.length);
  return found;
}

describe("a question by", () => {
  test("nothing is answered with every record", async () => {
    expect(segmentsOf(dir).length).toBeGreaterThan(5);
    expect(await seqs({})).toEqual(records.map(({ seq }) => seq));
  });

  test("type, severity, outcome and reason", async () => {
    expect(await seqs({ types: ["ModelLoaded", "VramSealed"] })).toEqual(expected(({ type }) => type === "ModelLoaded" || type === "VramSealed"));
    expect(await seqs({ severities: ["CRITICAL"] })).toEqual(expected(({ sev }) => sev === "CRITICAL"));
    expect(await seqs({ outcomes: ["denied"], reason: "CODE" })).toEqual(expected(({ outcome, reason }) => outcome === "denied" && reason === "CODE"));
  });

  test("time, from the first moment to before the last", async () => {
    const times = records.map(({ time }) => time);
    const middle = new Date(times[Math.floor(times.length / 2)] ?? "");
    const text = middle.toISOString().replace("Z", "000000Z");
    expect(await seqs({ since: middle })).toEqual(expected(({ time }) => time >= text));
    expect(await seqs({ until: middle })).toEqual(expected(({ time }) => time < text));
  });

  test("actor and correlation id, the very text that was given to the call", async () => {
    for (const actor of ["actor-1", "\u001b[31m", "y".repeat(2000)]) expect(await seqs({ actor })).not.toHaveLength(0);
    expect(await seqs({ actor: "actor-1" })).toEqual(expected(({ actor }) => actor === "actor-1"));
    expect(await seqs({ actor: "actor" })).toEqual([]);
    expect(await seqs({ actor: "y".repeat(1999) })).toEqual([]);
    expect(await seqs({ correlationId: 'c "2"' })).toEqual(expected(({ corr }) => corr === 'c "2"'));
  });

  test("sequence numbers and a limit", async () => {
    expect(await seqs({ from: 20, to: 29 })).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    expect(await seqs({ from: 20, limit: 3 })).toEqual([20, 21, 22]);
    expect(await seqs({ limit: 0 })).toEqual([]);
    expect(await seqs({ from: 1_000_000 })).toEqual([]);
  });

  const found = async (target: string | Uint8Array): Promise<number[]> => {
    const named = records.filter(({ actor }) => typeof actor === "string" && actor.startsWith("actor-")).map(({ seq }) => seq);
    return (await seqs({ target })).map((seq) => named.indexOf(seq)).filter((name) => name !== -1);
  };

  test.each<[string | Uint8Array, number[]]>([
    ["llama", [1, 2]], ["models/*.gguf", [1, 2]], ["models/?????.gguf", [1]], ["*", [0, 1, 2, 3, 4, 5, 6, 7]], ["a.gguf", [0, 1]], ["?.gguf", [0]], ["*.gguf*", [0, 1, 2, 4, 6]],
    [Buffer.from([0xff]), [3]], [Buffer.from([0x6d, 0xff, 0x2a]), [3]], ["é", [4, 7]], ['o"t', [5]], ["far", [6]], ["behind", [7]], ["nowhere", []], ["", [0, 1, 2, 3, 4, 5, 6, 7]], ["a*a*a*b", []],
  ])("target %j", async (target, expectedNames) => {
    // What a cut path still holds is its beginning.
    expect(await found(target)).toEqual(expectedNames.filter((name) => name !== 6 || !["far", "*.gguf*"].includes(String(target))));
  });

  test("any combination finds what a plain look at each record finds", async () => {
    const word = <K extends "type" | "sev" | "outcome">(key: K) => fc.constantFrom(...new Set(records.map((record) => record[key])));
    const filters = fc.record({
      types: fc.uniqueArray(word("type"), { minLength: 1, maxLength: 4 }), severities: fc.uniqueArray(word("sev"), { minLength: 1 }),
      outcomes: fc.uniqueArray(word("outcome"), { minLength: 1 }), from: fc.nat(records.length), to: fc.nat(records.length),
    }, { requiredKeys: [] });
    await fc.assert(fc.asyncProperty(filters, async (filter) => {
      const plain = records.filter(({ type, sev, outcome, seq }) => (filter.types?.includes(type) ?? true) && (filter.severities?.includes(sev) ?? true)
        && (filter.outcomes?.includes(outcome) ?? true) && seq >= (filter.from ?? 0) && seq <= (filter.to ?? Infinity));
      expect(await seqs(filter)).toEqual(plain.map(({ seq }) => seq));
    }), { numRuns: 60 });
  });
});

describe("a trail that is not as it was written", () => {
  test("repeats are left out, lines that are no records are counted, and a forged number hides nothing", async () => {
    const trail = await writtenTrail(60, { segmentBytes: 16_384 });
    const [first = "", second = ""] = segmentsOf(trail);
    const whole = await seqs({}, trail);
    copyFileSync(second, second.replace(".jsonl", ".1.jsonl"));
    appendFileSync(first, "garbage\n");
    const tally = { unreadable: 0 };
    const read: number[] = [];
    for await (const batch of queryMatches(trail, {}, tally)) read.push(...batch.map(({ record }) => record.seq));
    expect(read).toEqual(whole);
    expect(tally).toEqual({ unreadable: 1 });
    writeFileSync(first, readFileSync(first, "latin1").replace('"seq":3,', '"seq":9000000000000000,'), "latin1");
    expect(await seqs({}, trail)).toEqual(expect.arrayContaining([...whole.filter((seq) => seq !== 3), 9_000_000_000_000_000]) as number[]);
  });
});
