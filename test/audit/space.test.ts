/** Disk space that a segment takes before it needs it. */
import { closeSync, openSync, readdirSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { Space } from "../../lib/audit/space.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { native } from "../../lib/native.ts";
import { brokenFs, loaded, newFolder, openLog, systemError } from "./support.ts";
import { smallDisk } from "./disks.ts";

const MEBIBYTE = 1024 * 1024;
/** A block of the file system, and the list of the file's pieces. */
const SLACK = 16 * 1024;

function segmentsOf(dir: string): { size: number; taken: number }[] {
  const log = join(dir, "log");
  return readdirSync(log).sort().map((name) => statSync(join(log, name))).map(({ size, blocks }) => ({ size, taken: blocks * 512 }));
}

function existingFolder(): string {
  return dirname(newFolder());
}

const EXT4 = 0xef53;

function needsExt4(ctx: TestContext): void {
  if (statfsSync(existingFolder()).type !== EXT4) ctx.skip("the folder for temporary files is not on ext4");
}

async function grow(log: AuditLog, dir: string, bytes: number): Promise<void> {
  while ((segmentsOf(dir).at(-1)?.size ?? 0) < bytes) await Promise.all(Array.from({ length: 200 }, (_, i) => log.emit(loaded(`c-${i}`))));
}

describe("a segment's space", () => {
  test("is one mebibyte at first and the whole segment's once it holds more; its size is that of its records", async (ctx) => {
    const dir = newFolder();
    needsExt4(ctx);
    const log = await openLog(dir, { segmentBytes: 4 * MEBIBYTE });
    const [begun] = segmentsOf(dir);
    expect(begun?.size).toBeLessThan(4096);
    expect(begun?.taken).toBeGreaterThanOrEqual(MEBIBYTE);
    expect(begun?.taken).toBeLessThanOrEqual(MEBIBYTE + SLACK);
    await grow(log, dir, MEBIBYTE + 1);
    const [grown] = segmentsOf(dir);
    expect(grown?.taken).toBeGreaterThanOrEqual(4 * MEBIBYTE);
    expect(grown?.taken).toBeLessThanOrEqual(4 * MEBIBYTE + SLACK);
    await log[Symbol.asyncDispose]();
    await expect(verifyTrail(dir)).resolves.toMatchObject({ ok: true });
  });

  test("is never more than a small segment may hold, and none is left in those that are complete", async (ctx) => {
    const dir = newFolder();
    needsExt4(ctx);
    const log = await openLog(dir, { segmentBytes: 64 * 1024 });
    for (let i = 0; i < 6; i += 1) await Promise.all(Array.from({ length: 100 }, () => log.emit(loaded())));
    const segments = segmentsOf(dir);
    expect(segments.length).toBeGreaterThan(2);
    for (const { size, taken } of segments.slice(0, -1)) expect(taken).toBeLessThanOrEqual(size + SLACK);
    expect(segments.at(-1)?.taken).toBeLessThanOrEqual(64 * 1024 + 100 * 1024 + SLACK);
    await log[Symbol.asyncDispose]();
  });

  test("is taken for a trail that goes on, too", async (ctx) => {
    const dir = newFolder();
    needsExt4(ctx);
    await (await openLog(dir, { fs: brokenFs({ statfsSync: () => { throw systemError("EIO"); } }), reserveBytes: 0 }))[Symbol.asyncDispose]();
    expect(segmentsOf(dir)[0]?.taken).toBeLessThan(MEBIBYTE);
    const log = await openLog(dir);
    expect(segmentsOf(dir)[0]?.taken).toBeGreaterThanOrEqual(MEBIBYTE);
    await log[Symbol.asyncDispose]();
    await expect(verifyTrail(dir)).resolves.toMatchObject({ ok: true });
  });

  test("is left alone on a disk with little room", async (ctx) => {
    const disk = smallDisk(ctx, "ext4", 14);
    const log = await openLog(disk.dir, { reserveBytes: 0 });
    await log.emit(loaded());
    expect(segmentsOf(disk.dir)[0]?.taken).toBeLessThan(MEBIBYTE / 2);
    await log[Symbol.asyncDispose]();
  });
});

describe("asking for space", () => {
  interface Asked { readonly offset: number; readonly bytes: number }

  function spaceOf(written: number, segmentBytes: number, { answer = true, type = EXT4 } = {}): { space: Space; asked: Asked[] } {
    const asked: Asked[] = [];
    const allocate = (_: number, offset: number, bytes: number): boolean => { asked.push({ offset, bytes }); return answer; };
    const fs = { statfsSync: (() => ({ type, bavail: 1e9, bsize: 4096 })) as unknown as typeof statfsSync };
    return { asked, space: new Space({ fs, folder: existingFolder(), allocate, segmentBytes }, 0, written) };
  }

  test("happens twice for a segment, and covers it without a gap", () => {
    const { space, asked } = spaceOf(0, 3 * MEBIBYTE);
    for (let end = 1000; end < 4 * MEBIBYTE; end += 1000) space.growTo(end);
    expect(asked).toEqual([{ offset: 0, bytes: MEBIBYTE }, { offset: MEBIBYTE, bytes: 2 * MEBIBYTE }]);
  });

  test("begins behind what an earlier run has written", () => {
    const { space, asked } = spaceOf(2 * MEBIBYTE, 64 * MEBIBYTE);
    space.growTo(2 * MEBIBYTE + 1);
    expect(asked).toEqual([{ offset: 2 * MEBIBYTE, bytes: 62 * MEBIBYTE }]);
  });

  test("ends with a refusal, and is not begun for a segment that is complete", () => {
    const refused = spaceOf(0, 64 * MEBIBYTE, { answer: false });
    for (const end of [1000, 2000, 2 * MEBIBYTE]) refused.space.growTo(end);
    expect(refused.asked).toHaveLength(1);
    const complete = spaceOf(64 * MEBIBYTE, 64 * MEBIBYTE);
    complete.space.growTo(64 * MEBIBYTE + 1000);
    expect(complete.asked).toEqual([]);
  });

  test("does not happen on other file systems", () => {
    for (const type of [0x9123683e, 0x58465342, 0x794c7630, 0x01021994]) {
      const { space, asked } = spaceOf(0, 64 * MEBIBYTE, { type });
      for (const end of [1000, 2 * MEBIBYTE]) space.growTo(end);
      expect(asked).toEqual([]);
    }
  });

  test("is refused for what is no file, and for what is no range", () => {
    expect(native.allocateSpace(-1, 0, 4096)).toBe(false);
    expect(native.allocateSpace(1_000_000, 0, 4096)).toBe(false);
    const path = join(existingFolder(), "file");
    writeFileSync(path, "");
    const fd = openSync(path, "r+");
    for (const [offset, bytes] of [[-1, 4096], [0, -1], [0, 0], [0, Number.MAX_SAFE_INTEGER]] as const) expect(native.allocateSpace(fd, offset, bytes)).toBe(false);
    expect(statSync(path).size).toBe(0);
    closeSync(fd);
  });
});
