/** The table of events: what it names, how grave each is, and what the compiler makes of an event that does not fit it. */
import { describe, expect, test } from "vitest";
import { EVENTS } from "../../lib/audit/event-table.ts";
import type { AuditEvent, AuditEventType } from "../../lib/index.ts";
import { newFolder, openLog, recordsOf } from "./support.ts";

/** From the design's table of what happens on a device. */
const DEVICE_EVENTS: readonly AuditEvent[] = [
  event({ type: "VramAllocated", details: { requestedBytes: 1024, availableBytes: 4096, deviceUuid: "GPU-1" } }),
  event({ type: "VramAllocationFailed", reason: "OUT_OF_MEMORY", details: { requestedBytes: 4096, availableBytes: 1024, deviceUuid: "GPU-1" } }),
  event({ type: "VramSealed", details: { shardId: "s0", deviceUuid: "GPU-1", vramBytes: 1024, digest: "ab" } }),
  event({ type: "SealVerified", details: { shardId: "s0", level: "full", evidence: "1 of 1 tiles" } }),
  event({
    type: "SealVerificationFailed", reason: "TILE_MISMATCH",
    details: { shardId: "s0", expectedDigest: "ab", actualDigest: "cd", badTiles: 2, badTileList: "3, 4", badTensors: "blk.0.attn_q.weight" },
  }),
  event({ type: "VramDeallocated", details: { shardId: "s0", freedBytes: 1024 } }),
  event({ type: "PolicyViolation", details: { policy: "sealed-only", violation: "unsealed load", action: "refused" } }),
  event({ type: "ResidencyLost", details: { observed: "moved to host memory", bytes: 4096 } }),
  event({ type: "PageMigrated", details: { observed: "migrated", deviceUuid: "GPU-1", pages: 2 } }),
  event({ type: "DeviceLost", details: { observed: "XID 79", deviceUuid: "GPU-1" } }),
  event({ type: "EccUncorrectable", details: { observed: "XID 48", errors: 1 } }),
  event({ type: "ScrubCompleted", details: { coverage: "100 %", evidence: "all tiles" } }),
  event({ type: "ForeignVerified", details: { coverage: "100 %", evidence: "all tiles" } }),
];

type Said<T> = T extends AuditEvent ? Omit<T, "outcome" | "action"> : never;

function event(said: Said<AuditEvent>): AuditEvent {
  return { outcome: "info", action: "vram.seal", ...said };
}

const CRITICAL: readonly AuditEventType[] = [
  "SealVerificationFailed", "PolicyViolation", "ResidencyLost", "PageMigrated", "DeviceLost", "EccUncorrectable",
];

describe("events of a device", () => {
  test("are recorded with their details, each as grave as the design says", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    for (const one of DEVICE_EVENTS) await log.emit(one);
    const records = recordsOf(dir).slice(1);
    expect(records.map(({ type }) => type)).toEqual(DEVICE_EVENTS.map(({ type }) => type));
    for (const [i, { type, details }] of DEVICE_EVENTS.entries()) {
      const sev = CRITICAL.includes(type) ? "CRITICAL" : type === "VramAllocationFailed" ? "HIGH" : "INFO";
      expect(records[i]).toMatchObject({ type, sev, details });
    }
  });
});

describe("the compiler", () => {
  const base = { outcome: "info", action: "vram.seal" } as const;

  test("refuses an event whose details are another's, incomplete or of the wrong kind; at run time it is recorded all the same", async () => {
    const wrong: AuditEvent[] = [
      // @ts-expect-error -- a required detail is missing
      { ...base, type: "VramSealed", details: { shardId: "s0", deviceUuid: "GPU-1", vramBytes: 1 } },
      // @ts-expect-error -- details are required
      { ...base, type: "VramDeallocated" },
      // @ts-expect-error -- a number is text
      { ...base, type: "VramDeallocated", details: { shardId: "s0", freedBytes: "many" } },
      // @ts-expect-error -- no such word
      { ...base, type: "SealVerified", details: { shardId: "s0", level: "deep", evidence: "" } },
      // @ts-expect-error -- another event's detail
      { ...base, type: "ModelLoaded", details: { freedBytes: 1 } },
      // @ts-expect-error -- no such type
      { ...base, type: "ModelEaten" },
    ];
    const dir = newFolder();
    const log = await openLog(dir);
    for (const one of wrong) await log.emit(one);
    expect(recordsOf(dir).slice(1).map(({ type, details }) => [type, details])).toEqual(
      wrong.map(({ type, details }) => [Object.hasOwn(EVENTS, type) ? type : "UnrecognizedEvent", details]));
  });

  test("accepts refusals of any type, and undefined where a detail is optional", () => {
    const refusals: AuditEvent[] = (["IntegrityViolation", "ModelLoadFailed"] as const).map((type) => (
      { type, outcome: "denied", action: "model.load", details: { message: "no", maxBytes: undefined } }));
    expect(refusals).toHaveLength(2);
  });
});
