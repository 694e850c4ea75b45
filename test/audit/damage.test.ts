import { appendFileSync, copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { leafHash } from "../../lib/tlog/hash.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import type { TrailReport } from "../../lib/audit/verify.ts";
import { loaded, newFolder, segmentsOf, writtenTrail } from "./support.ts";

/** A trail of one segment: AuditOpened, 4 events, AuditClosed. */
let good: string[] = [];
let many: Map<string, string>;

beforeAll(async () => {
  const dir = await writtenTrailKept(4, {});
  good = readFileSync(segmentsOf(dir)[0] ?? "", "latin1").trimEnd().split("\n");
  rmSync(dirname(dir), { recursive: true });
  const several = await writtenTrailKept(80, { segmentBytes: 16_384 });
  many = new Map(segmentsOf(several).map((path) => [basename(path), readFileSync(path, "latin1")]));
  rmSync(dirname(several), { recursive: true });
});

/** `writtenTrail` outside a test, where nothing cleans up by itself. */
async function writtenTrailKept(count: number, options: { segmentBytes?: number }): Promise<string> {
  const { mkdtempSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const dir = join(mkdtempSync(join(tmpdir(), "audit-")), "trail");
  const log = await AuditLog.open(dir, options);
  for (let i = 0; i < count; i += 1) log.emitSync(loaded(`c-${i}`));
  await log[Symbol.asyncDispose]();
  return dir;
}

function trailOf(files: Iterable<readonly [string, string | Buffer]>): string {
  const dir = newFolder();
  mkdirSync(join(dir, "log"), { recursive: true, mode: 0o700 });
  for (const [name, bytes] of files) writeFileSync(join(dir, "log", name), bytes, typeof bytes === "string" ? "latin1" : undefined);
  return dir;
}

const FIRST = "00000000000000000000.jsonl";
const verifyLines = (lines: readonly string[]): Promise<TrailReport> => verifyTrail(trailOf([[FIRST, lines.map((line) => `${line}\n`).join("")]]));

/** A record that its author chained properly, from someone who knows how. */
function forged(seq: number, prev: string): string {
  const line = good[seq] ?? good.at(-1) ?? "";
  return line.replace(/"seq":\d+/, `"seq":${seq}`).replace(/"corr":"[^"]*"/, '"corr":"forged"').replace(/"prev":"[^"]*"/, `"prev":"${prev}"`);
}

describe("an untouched trail", () => {
  test("is good, and the report says what it cannot prove", async () => {
    const report = await verifyLines(good);
    expect(report).toMatchObject({ ok: true, records: 6, closed: true, recovered: 0, head: leafHash(good[5] ?? "") });
    expect(report.damage).toBeUndefined();
    expect(report.notProven.join(" ")).toContain("nothing is missing after record 5");
  });

  test("of several segments is good", async () => {
    expect(await verifyTrail(trailOf(many))).toMatchObject({ ok: true, segments: many.size });
    expect(many.size).toBeGreaterThan(2);
  });
});

describe("one byte changed", () => {
  test("anywhere but in the last record is found in the record that it lies in", async () => {
    const bytes = Buffer.from(good.map((line) => `${line}\n`).join(""), "latin1");
    const lastStart = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
    const dir = trailOf([[FIRST, bytes]]);
    const path = join(dir, "log", FIRST);
    let seq = 0;
    for (let at = 0; at < lastStart; at += 1) {
      for (const flip of [0x01, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        writeFileSync(path, changed);
        const { damage } = await verifyTrail(dir);
        if (damage?.seq !== seq || damage.kind !== "changed") expect({ at, flip, damage }).toMatchObject({ damage: { seq, kind: "changed" } });
      }
      if (bytes[at] === 0x0a) seq += 1;
    }
    expect(seq).toBe(5);
  }, 120_000);

  test("in the last record is found, or named among what is not proven", async () => {
    const bytes = Buffer.from(good.map((line) => `${line}\n`).join(""), "latin1");
    const lastStart = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
    const dir = trailOf([[FIRST, bytes]]);
    let found = 0;
    for (let at = lastStart; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(join(dir, "log", FIRST), changed);
      const { ok, damage, notProven } = await verifyTrail(dir);
      if (ok) expect(notProven[0]).toContain("record 5 itself");
      else expect(damage).toMatchObject({ seq: 5 });
      found += ok ? 0 : 1;
    }
    // The frame: version, origin, number, link and newline.
    expect(found).toBeGreaterThan(100);
  }, 120_000);
});

describe("lines", () => {
  test("a deleted line is missing", async () => {
    for (let i = 0; i < good.length - 1; i += 1) {
      const { ok, damage } = await verifyLines(good.filter((_, j) => j !== i));
      expect({ i, ok, damage }).toMatchObject({ ok: false, damage: { seq: i, kind: "missing" } });
    }
  });

  test("several deleted lines are missing from the first of them on", async () => {
    expect((await verifyLines([...good.slice(0, 1), ...good.slice(4)])).damage).toMatchObject({ seq: 1, kind: "missing" });
  });

  test("two lines that changed places are swapped", async () => {
    for (let i = 0; i < good.length; i += 1) for (let j = i + 1; j < good.length; j += 1) {
      const lines = [...good];
      [lines[i], lines[j]] = [good[j] ?? "", good[i] ?? ""];
      const { damage } = await verifyLines(lines);
      expect({ i, j, damage }).toMatchObject({ damage: { seq: i, kind: "swapped" } });
    }
  });

  test("a line that was moved is swapped", async () => {
    const lines = [...good.slice(0, 1), ...good.slice(2, 5), good[1] ?? "", ...good.slice(5)];
    expect((await verifyLines(lines)).damage).toMatchObject({ seq: 1, kind: "swapped" });
  });

  test("a line that stands twice is inserted", async () => {
    for (let i = 0; i < good.length; i += 1) for (let at = 0; at <= good.length; at += 1) {
      const lines = [...good.slice(0, at), good[i] ?? "", ...good.slice(at)];
      const { ok, damage } = await verifyLines(lines);
      // A copy beside its original can be either of the two.
      const seqs = at === i ? [i, i + 1] : [at];
      expect({ i, at, ok, kind: damage?.kind }).toEqual({ i, at, ok: false, kind: "inserted" });
      expect(seqs).toContain(damage?.seq);
    }
  });

  test("a foreign line is inserted", async () => {
    for (const line of ["", "hello", "{}", '{"v":1}', "x".repeat(3_000_000)]) for (let at = 0; at < good.length; at += 1) {
      const { damage } = await verifyLines([...good.slice(0, at), line, ...good.slice(at)]);
      expect({ at, damage }).toMatchObject({ damage: { seq: at, kind: "inserted" } });
    }
  });

  test("a forged record that is chained to its predecessor is inserted", async () => {
    for (let at = 1; at < good.length; at += 1) {
      const { damage } = await verifyLines([...good.slice(0, at), forged(at, leafHash(good[at - 1] ?? "")), ...good.slice(at)]);
      expect(damage).toMatchObject({ kind: "inserted" });
      expect([at, at + 1]).toContain(damage?.seq);
    }
  });

  test("a record that was replaced by a forged one is changed", async () => {
    for (let at = 1; at < good.length - 1; at += 1) {
      const { damage } = await verifyLines([...good.slice(0, at), forged(at, leafHash(good[at - 1] ?? "")), ...good.slice(at + 1)]);
      expect(damage).toMatchObject({ seq: at, kind: "changed" });
    }
  });

  test("several edited records are reported from the first of them on", async () => {
    const lines = good.map((line, i) => (i === 2 || i === 3 ? line.replace("ModelLoaded", "ModelLeaded") : line));
    expect((await verifyLines(lines)).damage).toMatchObject({ seq: 2, kind: "changed" });
  });
});

describe("cuts", () => {
  test("out of the middle are found, wherever they begin and end", async () => {
    const text = good.map((line) => `${line}\n`).join("");
    const starts = good.map((_, i) => good.slice(0, i).join("\n").length + (i === 0 ? 0 : 1));
    const [from, to] = [starts[2] ?? 0, starts[5] ?? 0];
    const dir = trailOf([[FIRST, text]]);
    for (let begin = from; begin < to; begin += 97) for (let end = begin + 1; end < to; end += 89) {
      writeFileSync(join(dir, "log", FIRST), text.slice(0, begin) + text.slice(end), "latin1");
      const { damage } = await verifyTrail(dir);
      const seq = starts.findLastIndex((start) => start <= begin);
      expect({ begin, end, damage }).toMatchObject({ damage: { seq } });
      expect(["changed", "cut", "missing"]).toContain(damage?.kind);
      if (starts.some((start) => start > begin && start < end) && !starts.includes(begin)) expect(damage?.kind).not.toBe("missing");
    }
  });

  test("within the last record are torn, and after it cannot be seen", async () => {
    const text = good.map((line) => `${line}\n`).join("");
    const dir = trailOf([[FIRST, text]]);
    const lastStart = text.lastIndexOf("\n", text.length - 2) + 1;
    for (let end = text.length - 1; end > lastStart; end -= 1) {
      truncateSync(join(dir, "log", FIRST), end);
      const { damage } = await verifyTrail(dir);
      if (damage?.kind !== "torn" || damage.seq !== 5) expect({ end, damage }).toMatchObject({ damage: { seq: 5, kind: "torn", offset: lastStart } });
    }
    truncateSync(join(dir, "log", FIRST), lastStart);
    const report = await verifyTrail(dir);
    expect(report).toMatchObject({ ok: true, records: 5, closed: false });
    expect(report.notProven[0]).toContain("after record 4");
  }, 60_000);
});

describe("segments", () => {
  const names = (): string[] => [...many.keys()].sort();
  const firstOf = (name: string): number => Number(name.slice(0, 20));

  test("a deleted one is missing, wherever it stood", async () => {
    const all = names();
    for (const name of all.slice(0, -1)) {
      const dir = trailOf([...many].filter(([other]) => other !== name));
      expect((await verifyTrail(dir)).damage).toMatchObject({ seq: firstOf(name), kind: "missing" });
    }
  });

  test("a renamed one is renamed", async () => {
    const [, second = "", third = ""] = names();
    for (const shift of [-1, 1, 5]) {
      const dir = trailOf(many);
      renameSync(join(dir, "log", third), join(dir, "log", `${String(firstOf(third) + shift).padStart(20, "0")}.jsonl`));
      expect((await verifyTrail(dir)).damage, String(shift)).toMatchObject({ seq: firstOf(third), kind: "renamed" });
    }
    const dir = trailOf(many);
    renameSync(join(dir, "log", second), join(dir, "log", "old.jsonl"));
    expect(await verifyTrail(dir)).toMatchObject({ ok: false, otherFiles: ["old.jsonl"], damage: { kind: "missing", seq: firstOf(second) } });
  });

  test("two that changed names are seen", async () => {
    const dir = trailOf(many);
    const [, second = "", third = ""] = names().map((name) => join(dir, "log", name));
    renameSync(second, `${second}.tmp`);
    renameSync(third, second);
    renameSync(`${second}.tmp`, third);
    expect((await verifyTrail(dir)).ok).toBe(false);
  });

  test("one that was cut at its end is seen in the record where it ends", async () => {
    const [, second = "", third = ""] = names();
    const text = many.get(second) ?? "";
    const lines = text.trimEnd().split("\n");
    const whole = lines.slice(0, -1).map((line) => `${line}\n`).join("");
    const last = firstOf(third) - 1;
    const cut = async (bytes: string): Promise<TrailReport["damage"]> => (await verifyTrail(trailOf([...many, [second, bytes]]))).damage;
    expect(await cut(whole)).toMatchObject({ seq: last, kind: "missing" });
    expect(await cut(text.slice(0, -10))).toMatchObject({ seq: last, kind: "changed" });
    expect(await cut(text.slice(0, whole.length - 10))).toMatchObject({ seq: last - 1, kind: "cut" });
    expect(await cut("")).toMatchObject({ seq: firstOf(second), kind: "missing" });
  });

  test("a change in the last record of one is found through the next one", async () => {
    const [, second = "", third = ""] = names();
    const text = many.get(second) ?? "";
    const at = text.lastIndexOf('"corr":"c') + 8;
    const changed = `${text.slice(0, at)}X${text.slice(at + 1)}`;
    expect((await verifyTrail(trailOf([...many, [second, changed]]))).damage).toMatchObject({ seq: firstOf(third) - 1, kind: "changed" });
  });

  test("lines added to a segment that is finished are seen", async () => {
    const dir = trailOf(many);
    const [, second = "", third = ""] = names();
    appendFileSync(join(dir, "log", second), (many.get(third) ?? "").replace(/\n[^]*/, "\n"), "latin1");
    // The very same record in both is what a failed segment leaves; anything else is not.
    expect((await verifyTrail(dir)).ok).toBe(true);
    appendFileSync(join(dir, "log", second), "garbage\n");
    expect((await verifyTrail(dir)).damage).toMatchObject({ kind: "torn", segment: second });
  });

  test("a repeated segment whose records differ is seen", async () => {
    const dir = trailOf(many);
    const [, second = ""] = names();
    const copy = second.replace(".jsonl", ".1.jsonl");
    copyFileSync(join(dir, "log", second), join(dir, "log", copy));
    expect((await verifyTrail(dir)).ok).toBe(true);
    const lines = (many.get(second) ?? "").trimEnd().split("\n");
    const other = [...lines.slice(0, -1), (lines.at(-1) ?? "").replace(/"corr":"c-\d+"/, '"corr":"c-x"')].map((line) => `${line}\n`).join("");
    writeFileSync(join(dir, "log", second), other, "latin1");
    expect((await verifyTrail(dir)).damage).toMatchObject({ kind: "changed" });
    expect(readdirSync(join(dir, "log"))).toContain(copy);
  });
});

describe("a trail that is none", () => {
  test("without segments is missing from the first record on", async () => {
    expect(await verifyTrail(trailOf([]))).toMatchObject({ ok: false, records: 0, damage: { seq: 0, kind: "missing" } });
  });

  test("a folder that cannot be read is an error", async () => {
    await expect(verifyTrail(newFolder())).rejects.toThrow("ENOENT");
  });

  test("of a later version says so", async () => {
    const later = good.map((line) => line.replace('{"v":1,', '{"v":2,'));
    expect((await verifyLines(later)).damage).toMatchObject({ seq: 0, kind: "version" });
    expect((await verifyLines([...good.slice(0, 3), ...later.slice(3)])).damage).toMatchObject({ seq: 3, kind: "version" });
  });

  test("of mixed origins is changed where the other one begins", async () => {
    const other = good.map((line) => line.replace(/"origin":"[^"]*"/, '"origin":"other"'));
    expect((await verifyLines([...good.slice(0, 3), ...other.slice(3, 4), ...good.slice(4)])).damage).toMatchObject({ seq: 3, kind: "changed" });
    expect((await verifyLines([...other.slice(0, 1), ...good.slice(1)])).damage).toMatchObject({ seq: 0, kind: "changed" });
  });
});

test("a hundred thousand records are verified", async () => {
  const dir = await writtenTrail(0);
  const log = await AuditLog.open(dir, { segmentBytes: 8 * 1024 * 1024 });
  for (let batch = 0; batch < 100; batch += 1) await Promise.all(Array.from({ length: 1_000 }, (_, i) => log.emit(loaded(`c-${batch}-${i}`))));
  await log[Symbol.asyncDispose]();
  const start = performance.now();
  const report = await verifyTrail(dir);
  const rate = Math.round(report.records / ((performance.now() - start) / 1000));
  console.log(`verified ${report.records} records of ${report.bytes} bytes at ${rate} records/s`);
  expect(report).toMatchObject({ ok: true, closed: true });
  expect(report.records).toBeGreaterThan(100_000);
}, 120_000);
