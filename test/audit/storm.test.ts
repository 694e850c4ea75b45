/**
 * Random storms: writes that fail or stay short, syncs that fail, new files that cannot be made, rotation, and power cuts that keep
 * anything between what was synced and what was written. After each, on a healthy disk: the trail opens, every acknowledged record
 * stands where its receipt said, and verification has nothing to complain of.
 */
import { existsSync, fstatSync, readlinkSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { CheckpointOptions } from "../../lib/audit/checkpoint-options.ts";
import { NODE_FS } from "../../lib/audit/files.ts";
import type { AuditFs } from "../../lib/audit/files.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { trailRecords } from "../../lib/audit/records.ts";
import type { TrailRecord } from "../../lib/audit/records.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { NODE_TLOG_FS } from "../../lib/tlog/tlog-fs.ts";
import type { TlogFs } from "../../lib/tlog/tlog-fs.ts";
import { writeFilesSync } from "../../lib/tlog/whole-file.ts";
import { brokenFs, denial, loaded, newFolder, segmentsOf, systemError } from "./support.ts";

type Fault = "none" | "write" | "short" | "sync" | "open" | "tree";
interface Step {
  readonly fault: Fault;
  readonly bytes: number;
  readonly times: number;
  readonly crowd: number;
  readonly act: "emit" | "emitSync" | "crash" | "kill" | "close";
}

/** A double: a disk with faults to come, that remembers what of each file is durable. */
class StormyDisk {
  /** What an earlier life of the disk left is durable. */
  readonly #durable: Map<string, number>;
  #fault: Fault = "none";
  #bytes = 0;
  #times = 0;
  #dead = false;
  readonly fs: AuditFs = brokenFs({
    writeSync: ((fd: number, bytes: Uint8Array, offset: number, len: number) => {
      this.#alive();
      if (this.#strikes("short")) return NODE_FS.writeSync(fd, bytes, offset, Math.min(len, Math.max(1, this.#bytes)));
      if (this.#strikes("write")) throw systemError("ENOSPC");
      return NODE_FS.writeSync(fd, bytes, offset, len);
    }) as typeof NODE_FS.writeSync,
    fdatasyncSync: (fd) => { this.#sync(fd); },
    fdatasync: ((fd: number, done: (failure: NodeJS.ErrnoException | null) => void) => {
      setImmediate(() => {
        try {
          this.#sync(fd);
          done(null);
        } catch (failure) {
          done(failure as NodeJS.ErrnoException);
        }
      });
    }) as typeof NODE_FS.fdatasync,
    openSync: (path, flags, mode) => {
      this.#alive();
      if (this.#strikes("open")) throw systemError("EMFILE");
      return NODE_FS.openSync(path, flags, mode);
    },
  });

  /** Of the signed tree; its files are written whole or not at all, which the publisher's own tests are about. */
  readonly treeFs: TlogFs = {
    ...NODE_TLOG_FS,
    openSync: (path, flags, mode) => { this.#treeAlive(); return NODE_TLOG_FS.openSync(path, flags, mode); },
    renameSync: (from, to) => { this.#treeAlive(); NODE_TLOG_FS.renameSync(from, to); },
    rmSync: (path, options) => { this.#treeAlive(); NODE_TLOG_FS.rmSync(path, options); },
    storeFiles: async (files) => { await Promise.resolve(); writeFilesSync(this.treeFs, files); },
    promises: {
      open: async (path, flags, mode) => { this.#treeAlive(); return NODE_TLOG_FS.promises.open(path, flags, mode); },
      rm: async (path, options) => { this.#treeAlive(); return NODE_TLOG_FS.promises.rm(path, options); },
    },
  };

  constructor(durable: ReadonlyMap<string, number>) {
    this.#durable = new Map(durable);
  }

  /** The process dies; what it wrote is in the page cache, and no more durable than it was. */
  afterKill(): StormyDisk {
    this.#dead = true;
    return new StormyDisk(this.#durable);
  }

  next({ fault, bytes, times }: Step): void {
    [this.#fault, this.#bytes, this.#times] = [fault, bytes, times];
  }

  /** Nothing that the process still tries reaches the disk, and of each file remains what `kept` (0..1) says, at least what was synced. */
  afterPowerCut(paths: readonly string[], kept: number): StormyDisk {
    this.#dead = true;
    for (const path of paths) {
      const durable = this.#durable.get(path) ?? 0;
      truncateSync(path, durable + Math.round((statSync(path).size - durable) * kept));
    }
    return new StormyDisk(new Map(paths.map((path) => [path, statSync(path).size])));
  }

  #sync(fd: number): void {
    this.#alive();
    if (this.#strikes("sync")) throw systemError("EIO");
    this.#durable.set(readlinkSync(`/proc/self/fd/${fd}`), fstatSync(fd).size);
  }

  #strikes(fault: Fault): boolean {
    if (this.#fault !== fault || this.#times === 0) return false;
    this.#times -= 1;
    // A disk that takes a part refuses the rest.
    if (fault === "short") [this.#fault, this.#times] = ["write", this.#times + 1];
    return true;
  }

  #treeAlive(): void {
    this.#alive();
    if (this.#strikes("tree")) throw systemError("EIO");
  }

  #alive(): void {
    if (this.#dead) throw systemError("EIO");
  }
}

const step = fc.record<Step>({
  fault: fc.constantFrom("none", "none", "write", "short", "sync", "open", "tree"),
  bytes: fc.integer({ min: 1, max: 2_500 }),
  times: fc.integer({ min: 1, max: 3 }),
  crowd: fc.integer({ min: 1, max: 12 }),
  act: fc.constantFrom("emit", "emit", "emit", "emitSync", "emitSync", "crash", "kill", "close"),
});

/** The same process goes on after each power cut, so the real lock would still be held; what is lost is not this test's subject. */
const ALONE = { lock: () => ({ release: () => undefined }), emergency: () => undefined };

class Storm {
  readonly dir: string = newFolder();
  readonly acknowledged: Map<number, string> = new Map();
  #disk = new StormyDisk(new Map());
  #log: AuditLog | undefined;
  #count = 0;

  async take(one: Step): Promise<void> {
    this.#disk.next(one);
    const log = await this.#open();
    if (log === undefined) return;
    if (one.act === "emitSync") this.#emitSync(log);
    else await this.#emit(log, one.crowd, one.act === "crash" || one.act === "kill");
    if (one.act === "crash") this.#crash(one.bytes / 2_500);
    if (one.act === "kill") this.#kill();
    if (one.act === "close") await this.#close(log);
  }

  async calm(): Promise<void> {
    this.#crash(1);
    const log = await AuditLog.open(this.dir, ALONE);
    await log[Symbol.asyncDispose]();
  }

  async #open(): Promise<AuditLog | undefined> {
    try {
      this.#log ??= await AuditLog.open(this.dir, { fs: this.#disk.fs, segmentBytes: 16_384, checkpoints: this.#checkpoints(), ...ALONE });
    } catch (failure) {
      // The disk may refuse the opening, but the trail is never taken for damaged, nor for one that was rolled back.
      expect(failure).not.toMatchObject({ reason: "damaged" });
      expect(failure).not.toMatchObject({ reason: "rolled_back" });
      this.#crash(1);
    }
    return this.#log;
  }

  /** Often enough that every storm has some: at the end of a turn, and on the thread pool. */
  #checkpoints(): CheckpointOptions {
    return { fs: this.#disk.treeFs, everyRecords: 5, everySeconds: 0.002 };
  }

  async #emit(log: AuditLog, crowd: number, leave: boolean): Promise<void> {
    const receipts = Array.from({ length: crowd }, (_, i) => {
      const name = this.#name();
      return log.emit(i % 3 === 0 ? denial(name) : loaded(name)).then(({ seq }) => this.acknowledged.set(seq, name), () => undefined);
    });
    if (!leave) await Promise.all(receipts);
  }

  #emitSync(log: AuditLog): void {
    const name = this.#name();
    try {
      this.acknowledged.set(log.emitSync(denial(name)).seq, name);
    } catch (failure) {
      expect(failure).toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    }
  }

  async #close(log: AuditLog): Promise<void> {
    await log[Symbol.asyncDispose]().catch((failure: unknown) => { expect(failure).toMatchObject({ code: "AUDIT_UNAVAILABLE" }); });
    this.#log = undefined;
  }

  #crash(kept: number): void {
    const paths = existsSync(join(this.dir, "log")) ? segmentsOf(this.dir) : [];
    this.#bury(this.#disk.afterPowerCut(paths, kept));
  }

  #kill(): void {
    this.#bury(this.#disk.afterKill());
  }

  /** The old log's disk takes nothing more, so that disposing it is like the death of its process. */
  #bury(next: StormyDisk): void {
    this.#disk = next;
    const log = this.#log;
    this.#log = undefined;
    try {
      log?.[Symbol.dispose]();
    } catch (failure) {
      expect(failure).toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    }
  }

  #name(): string {
    this.#count += 1;
    return `e-${this.#count}`;
  }
}

async function weather(steps: readonly Step[]): Promise<void> {
  const storm = new Storm();
  for (const one of steps) await storm.take(one);
  await storm.calm();
  const records = new Map<number, TrailRecord>();
  for await (const record of trailRecords(storm.dir)) records.set(record.seq, record);
  for (const [seq, name] of storm.acknowledged) expect(records.get(seq)).toMatchObject({ seq, corr: name });
  const report = await verifyTrail(storm.dir);
  expect(report.damage).toBeUndefined();
  expect(report).toMatchObject({ ok: true, records: records.size, checkpoint: { size: records.size } });
}

test("no storm loses an acknowledged record or leaves a trail that cannot be verified", async () => {
  const runs = Number(process.env["AUDIT_STORMS"] ?? 150);
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), weather), { numRuns: runs });
}, 300_000);
