import { describe, expect, test } from "vitest";
import { Timekeeper } from "../../lib/audit/clock.ts";
import type { AuditClock } from "../../lib/audit/clock.ts";
import { Pace } from "../../lib/audit/pace.ts";
import { parseSegmentName, segmentName, bySequence } from "../../lib/audit/segment-name.ts";
import { Stamps } from "../../lib/audit/stamp.ts";
import { uuidv7 } from "../../lib/audit/uuid.ts";

interface Stamp {
  readonly id: string;
  readonly time: string;
  readonly mono: string;
  readonly boot: string;
}

/** What a record says of its time, with clocks that tick together, in nanoseconds. */
function clocks(): { tick: (ns: number) => void; next: () => Stamp } {
  let mono = 5_000_000_123n;
  let unix = 1_800_000_000_000_400_000n;
  return {
    next: stampsOf({
      now: () => Number(unix / 1_000_000n),
      hrtime: () => [Number(mono / 1_000_000_000n), Number(mono % 1_000_000_000n)],
    }),
    tick: (ns) => { mono += BigInt(ns); unix += BigInt(ns); },
  };
}

function stampsOf(clock: AuditClock): () => Stamp {
  const stamps = new Stamps(new Timekeeper(clock), '"boot":"b"');
  return () => JSON.parse(`{${stamps.next().slice(1)}}`) as Stamp;
}

describe("a record's time", () => {
  test("counts nanoseconds within the millisecond, in order", () => {
    const { next, tick } = clocks();
    const times: string[] = [];
    for (let i = 0; i < 5_000; i += 1) {
      times.push(next().time);
      tick(1_003);
    }
    expect([...times].sort()).toEqual(times);
    expect(new Set(times).size).toBeGreaterThan(4_900);
    expect(times[0]).toMatch(/^2027-01-15T08:00:00\.000\d{6}Z$/);
  });

  test("goes on through seconds of both clocks, and back after a step", () => {
    let [unixMs, nanos] = [1_800_000_000_000, 0];
    const next = stampsOf({ now: () => unixMs, hrtime: () => [Math.floor(nanos / 1e9), nanos % 1e9] });
    for (let i = 0; i < 2_000; i += 1) {
      const { time, mono, id, boot } = next();
      expect(time.slice(0, 23)).toBe(new Date(unixMs).toISOString().slice(0, 23));
      expect(mono).toBe(`${Math.floor(nanos / 1e9)}${String(nanos % 1e9).padStart(9, "0")}`);
      expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(unixMs);
      expect(boot).toBe("b");
      nanos += 333_333_331;
      unixMs += i % 500 === 499 ? -86_400_000 : 333;
    }
  });

  test("never strays from UTC by a millisecond, also after the clock was stepped", () => {
    let [unixMs, nanos] = [1_800_000_000_000, 0];
    const keeper = new Timekeeper({ now: () => unixMs, hrtime: () => [Math.floor(nanos / 1e9), nanos % 1e9] });
    for (let i = 0; i < 1_000; i += 1) {
      if (i % 100 === 50) unixMs += i % 200 === 50 ? 3_600_000 : -7_200_000;
      const instant = keeper.now();
      expect(instant.unixMs).toBe(unixMs);
      expect(instant.subMs).toBeGreaterThanOrEqual(0);
      expect(instant.subMs).toBeLessThan(1e6);
      nanos += 777_777;
      unixMs = 1_800_000_000_000 + Math.floor(nanos / 1e6);
    }
  });

  test("is on the monotonic clock whole nanoseconds, also above 2^53", () => {
    expect(stampsOf({ now: () => 0, hrtime: () => [90_000_000, 5] })().mono).toBe("90000000000000005");
  });
});

describe("uuidv7", () => {
  test("holds the time, sorts by it, and never repeats", () => {
    expect(uuidv7(0x0123456789ab, 999_999)).toMatch(/^01234567-89ab-7fff-[89ab]/);
    expect(uuidv7(0, 0)).toMatch(/^00000000-0000-7000-[89ab]/);
    const ids = Array.from({ length: 1_000 }, (_, i) => uuidv7(1_800_000_000_000 + Math.floor(i / 10), (i % 10) * 100_000));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(1_000);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids.map((id) => id[19]))).toEqual(new Set(["8", "9", "a", "b"]));
  });
});

describe("Pace", () => {
  test("is fast until half of the last syncs were slow, and fast again afterwards", () => {
    const pace = new Pace();
    expect(pace.slow).toBe(false);
    for (let i = 0; i < 16; i += 1) pace.took(0.2);
    for (let i = 0; i < 7; i += 1) pace.took(2);
    expect(pace.slow).toBe(false);
    pace.took(2);
    expect(pace.slow).toBe(true);
    for (let i = 0; i < 16; i += 1) pace.took(0.2);
    expect(pace.slow).toBe(false);
    pace.took(8);
    expect(pace.slow).toBe(true);
  });
});

describe("segment names", () => {
  test("are twenty digits and, for a second try, its number", () => {
    expect(segmentName(0, 0)).toBe("00000000000000000000.jsonl");
    expect(parseSegmentName(segmentName(12_345, 3))).toEqual({ name: "00000000000000012345.3.jsonl", first: 12_345, attempt: 3 });
    for (const name of ["", "0.jsonl", "00000000000000000000.json", "00000000000000000000.0.jsonl", "00000000000000000000.01.jsonl", "x00000000000000000000.jsonl", "99999999999999999999.jsonl"]) {
      expect(parseSegmentName(name)).toBeUndefined();
    }
  });

  test("sort in the order of writing", () => {
    const names = [[5, 0], [0, 10], [0, 0], [0, 9], [40, 0]].map(([first = 0, attempt = 0]) => ({ name: "", first, attempt }));
    expect(names.sort(bySequence).map(({ first, attempt }) => `${first}.${attempt}`)).toEqual(["0.0", "0.9", "0.10", "5.0", "40.0"]);
  });
});
