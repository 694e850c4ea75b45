/** The signed side of a living trail: when checkpoints are written, by whom, and what happens when they cannot be. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { AuditLogOptions } from "../../lib/audit/log.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { openCheckpoint, peekCheckpoint } from "../../lib/tlog/checkpoint.ts";
import type { Checkpoint } from "../../lib/tlog/checkpoint.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { parseNote } from "../../lib/tlog/note.ts";
import { NoteVerifier } from "../../lib/tlog/signer.ts";
import { NODE_TLOG_FS } from "../../lib/tlog/tlog-fs.ts";
import type { TlogFs } from "../../lib/tlog/tlog-fs.ts";
import { compiledLibrary, death, denial, linesOf, loaded, newFolder, openLog, recordsOf, startProgram, systemError, writtenTrail } from "./support.ts";

/** The tree by its definition, from the lines in the files; nothing of the library is used. */
function rootOf(lines: readonly string[]): string {
  const sha = (...parts: Buffer[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
  const mth = (leaves: readonly Buffer[]): Buffer => {
    if (leaves.length <= 1) return leaves[0] ?? sha();
    const half = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
    return sha(Buffer.of(1), mth(leaves.slice(0, half)), mth(leaves.slice(half)));
  };
  return mth(lines.map((line) => sha(Buffer.of(0), Buffer.from(line, "latin1")))).toString("base64");
}

function checkpointOf(dir: string): Checkpoint & { note: string } {
  const note = readFileSync(join(dir, "checkpoint"), "utf8");
  const [vkey = ""] = readFileSync(join(dir, "vkey"), "utf8").split("\n");
  return { ...openCheckpoint(note, vkey.slice(0, vkey.indexOf("+")), [new NoteVerifier(vkey)]), note };
}

/** The checkpoint in the folder is of exactly the trail's first records. */
function expectSigned(dir: string, size: number): void {
  const { root, size: signed } = checkpointOf(dir);
  expect(signed).toBe(size);
  expect(root.toString("base64")).toBe(rootOf(linesOf(dir).slice(0, size)));
}

const gauge = async (registry: Registry, name: string): Promise<number | undefined> =>
  (await registry.getSingleMetric(`model_loader_audit_${name}`)?.get())?.values[0]?.value;

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await what()); tries += 1) {
    if (tries > 500) throw new Error("waited in vain");
    await sleep(10);
  }
}

describe("a checkpoint", () => {
  test("covers every record when the log is closed, in either way, and carries the trail's origin", async () => {
    for (const way of [Symbol.asyncDispose, Symbol.dispose] as const) {
      const dir = newFolder();
      const log = await AuditLog.open(dir);
      for (let i = 0; i < 300; i += 1) void log.emit(loaded(`c-${i}`));
      await log[way]();
      expectSigned(dir, 302);
      expect(checkpointOf(dir).origin).toBe(log.origin);
      expect(log.checkpoint).toBe(checkpointOf(dir).note);
    }
  });

  test("comes after the given time, and not again while nothing is recorded", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { checkpoints: { everySeconds: 0.05 } });
    await log.emit(denial());
    await until(() => existsSync(join(dir, "vkey")) && checkpointOf(dir).size === 2);
    expectSigned(dir, 2);
    const { mtimeNs } = statSync(join(dir, "checkpoint"), { bigint: true });
    await sleep(200);
    expect(statSync(join(dir, "checkpoint"), { bigint: true }).mtimeNs).toBe(mtimeNs);
  });

  test("comes after the given number of records", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { checkpoints: { everySeconds: 3_600, everyRecords: 500 } });
    for (let i = 0; i < 499; i += 1) await log.emit(loaded());
    await until(() => existsSync(join(dir, "vkey")));
    expectSigned(dir, 500);
  });

  test("goes on where the last run ended, over many runs and whole tiles", async () => {
    const dir = newFolder();
    for (const count of [100, 153, 0, 600]) {
      const log = await AuditLog.open(dir);
      for (let i = 0; i < count; i += 1) void log.emit(loaded());
      await log[Symbol.asyncDispose]();
      expectSigned(dir, linesOf(dir).length);
    }
    expect(readdirSync(join(dir, "tile/0")).filter((name) => !name.endsWith(".p"))).toEqual(["000", "001", "002"]);
  });

  test("is there for a trail that was begun without", async () => {
    const dir = await writtenTrail(700, { checkpoints: false });
    expect(readdirSync(dir).sort()).toEqual(["lock", "log", "reserve"]);
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    expectSigned(dir, 704);
  });

  test("is known to Prometheus", async () => {
    const registry = new Registry();
    const log = await openLog(newFolder(), { registry, checkpoints: { everySeconds: 0.02 } });
    await log.emit(denial());
    await until(async () => (await gauge(registry, "last_checkpoint_timestamp_seconds")) !== 0);
    expect(await gauge(registry, "last_checkpoint_size")).toBe(2);
    expect(Math.abs(((await gauge(registry, "last_checkpoint_timestamp_seconds")) ?? 0) - Date.now() / 1000)).toBeLessThan(10);
    expect(await gauge(registry, "checkpoint_failures_total")).toBe(0);
  });
});

describe("tiles", () => {
  test.each(["tile", "tile/0/000", "tile/0/001.p", "tile/1"])("are made again where %s is missing", async (path) => {
    const dir = await writtenTrail(300);
    rmSync(join(dir, path), { recursive: true });
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    expectSigned(dir, 304);
    if (path !== "tile/0/000") expect(existsSync(join(dir, path))).toBe(true);
  });

  test("that were damaged while the log was open are made again from the records", async () => {
    const dir = await writtenTrail(298);
    const failures: unknown[] = [];
    const logger = { error: (details: { err?: unknown }) => { failures.push(details.err); }, warn: () => undefined };
    const log = await openLog(dir, { logger, checkpoints: { everySeconds: 0.05 } });
    writeFileSync(join(dir, "tile/1/000.p/1"), Buffer.alloc(32, 7));
    await log.emit(denial());
    await until(() => checkpointOf(dir).size === 302);
    expect(failures).toMatchObject([{ name: "TlogError", code: "INCONSISTENT" }]);
    expectSigned(dir, 302);
    expect(readFileSync(join(dir, "tile/1/000.p/1")).equals(Buffer.alloc(32, 7))).toBe(false);
  });
});

describe("a tree that cannot be written (double)", () => {
  /** The real file system, on which nothing new can be made while `full` says so. */
  function fillable(): { fs: TlogFs; disk: { full: boolean } } {
    const disk = { full: false };
    const writing = (flags: unknown): boolean => typeof flags === "number" && (flags & 3) !== 0;
    const fs: TlogFs = {
      ...NODE_TLOG_FS,
      openSync: (path, flags, mode) => { if (disk.full && writing(flags)) throw systemError("ENOSPC"); return NODE_TLOG_FS.openSync(path, flags, mode); },
      mkdirSync: ((...all: Parameters<TlogFs["mkdirSync"]>) => { if (disk.full) throw systemError("ENOSPC"); return NODE_TLOG_FS.mkdirSync(...all); }),
      storeFiles: async (files) => { if (disk.full) throw systemError("ENOSPC"); return NODE_TLOG_FS.storeFiles(files); },
      promises: {
        ...NODE_TLOG_FS.promises,
        open: async (path, flags, mode) => { if (disk.full && writing(flags)) throw systemError("ENOSPC"); return NODE_TLOG_FS.promises.open(path, flags, mode); },
      },
    };
    return { fs, disk };
  }

  test("fails no emit and no closing, is counted and told, and is made up for later", async () => {
    const { fs, disk } = fillable();
    const registry = new Registry();
    const logger = { error: vi.fn<(details: object, message: string) => void>(), warn: () => undefined };
    const dir = newFolder();
    const options: AuditLogOptions = { registry, logger, checkpoints: { everySeconds: 0.05, fs } };
    const log = await AuditLog.open(dir, options);
    disk.full = true;
    for (let i = 0; i < 600; i += 1) await log.emit(loaded());
    await until(async () => ((await gauge(registry, "checkpoint_failures_total")) ?? 0) > 1);
    expect(logger.error).toHaveBeenCalledWith(expect.objectContaining({ err: expect.objectContaining({ code: "ENOSPC" }) as unknown }), expect.stringContaining("no checkpoint"));
    expect(log.healthy).toBe(true);
    disk.full = false;
    await until(() => existsSync(join(dir, "vkey")) && checkpointOf(dir).size === 601);
    disk.full = true;
    await log.emit(denial());
    await log[Symbol.asyncDispose]();
    expectSigned(dir, 601);
    disk.full = false;
    const next = await AuditLog.open(dir, options);
    await next[Symbol.asyncDispose]();
    expectSigned(dir, 605);
  });

  test("when the log is opened is made up for while it is written", async () => {
    const { fs, disk } = fillable();
    const dir = newFolder();
    const long = await AuditLog.open(dir, { checkpoints: false });
    for (let i = 0; i < 66_000; i += 1) void long.emit(loaded());
    await long[Symbol.asyncDispose]();
    generateKeyFile(join(dir, "key.pem"));
    disk.full = true;
    const log = await openLog(dir, { checkpoints: { everySeconds: 0.05, fs } });
    for (let i = 0; i < 100; i += 1) await log.emit(loaded());
    expect(existsSync(join(dir, "checkpoint"))).toBe(false);
    disk.full = false;
    for (let i = 0; i < 100; i += 1) await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    const again = await AuditLog.open(dir);
    await again[Symbol.asyncDispose]();
    expectSigned(dir, 66_206);
  }, 60_000);
});

const asRoot = process.geteuid?.() === 0;
if (!asRoot) console.log("skipped, because they need root to mount: a full disk under the tiles, a read-only one");

describe("a disk of their own under the tiles", () => {
  async function logOnMount(registry: Registry): Promise<{ dir: string; tile: string; log: AuditLog }> {
    const dir = newFolder();
    const tile = join(dir, "tile");
    mkdirSync(tile, { recursive: true, mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", tile]);
    onTestFinished(() => { execFileSync("umount", [tile]); });
    return { dir, tile, log: await AuditLog.open(dir, { registry, checkpoints: { everySeconds: 0.05 } }) };
  }

  test.runIf(asRoot)("that is full holds up no record, and the checkpoint comes when there is room", async () => {
    const registry = new Registry();
    const { dir, tile, log } = await logOnMount(registry);
    writeFileSync(join(tile, "filler"), Buffer.alloc(64 * 1024));
    for (let i = 0; i < 400; i += 1) await log.emit(loaded());
    await until(async () => ((await gauge(registry, "checkpoint_failures_total")) ?? 0) > 1);
    expect(log.healthy).toBe(true);
    expect(existsSync(join(dir, "checkpoint"))).toBe(false);
    rmSync(join(tile, "filler"));
    await until(() => log.checkpoint !== undefined);
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, checkpoint: { size: 402 } });
  });

  test.runIf(asRoot)("that became read-only holds up neither records nor the end", async () => {
    const registry = new Registry();
    const { dir, tile, log } = await logOnMount(registry);
    await log.emit(denial());
    await until(() => log.checkpoint !== undefined);
    execFileSync("mount", ["-o", "remount,ro", tile]);
    for (let i = 0; i < 400; i += 1) await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    expect(await gauge(registry, "checkpoint_failures_total")).toBeGreaterThan(0);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, records: 403, checkpoint: { size: 2 } });
    execFileSync("mount", ["-o", "remount,rw", tile]);
    const again = await AuditLog.open(dir);
    await again[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, checkpoint: { size: 405 } });
  });
});

describe("the signing key", () => {
  const privateOnes = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith("key"));
  const keyIds = (note: string): number[] => parseNote(note).signatures.map(({ keyId }) => keyId);

  test("is made for the owner alone, and used again", async () => {
    const dir = await writtenTrail(1);
    expect(statSync(join(dir, "key.pem")).mode & 0o777).toBe(0o600);
    const before = readFileSync(join(dir, "key.pem"));
    const { note } = checkpointOf(dir);
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    expect(readFileSync(join(dir, "key.pem"))).toEqual(before);
    expect(keyIds(checkpointOf(dir).note)).toEqual(keyIds(note));
    expect(recordsOf(dir).map(({ type }) => type)).not.toContain("AuditKeyRotated");
  });

  test("may lie elsewhere, or be given", async () => {
    const path = `${newFolder()}.pem`;
    const dir = await writtenTrail(1, { checkpoints: { signingKey: path } });
    expect(privateOnes(dir)).toEqual([]);
    expectSigned(dir, 3);
    const key: KeyObject = generateKeyPairSync("ed25519").privateKey;
    expectSigned(await writtenTrail(1, { checkpoints: { signingKey: key } }), 3);
  });

  test("that is open to others, no key, or missing behind a checkpoint, is refused in words, and the folder is free again", async () => {
    const dir = await writtenTrail(1);
    const path = join(dir, "key.pem");
    const pem = readFileSync(path);
    writeFileSync(path, pem, { mode: 0o644 });
    rmSync(path);
    writeFileSync(path, pem, { mode: 0o644 });
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "key", message: expect.stringContaining("chmod 600") as string });
    rmSync(path);
    writeFileSync(path, "nonsense", { mode: 0o600 });
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "key" });
    rmSync(path);
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "key", message: expect.stringContaining("is missing") as string });
    expect(existsSync(path)).toBe(false);
    await expect(AuditLog.open(newFolder(), { checkpoints: { signingKey: join(dir, "no/such/folder.pem") } })).rejects.toMatchObject({ reason: "key" });
  });

  test("is changed when asked: the old one signs beside the new one until its file is gone, and the trail says so", async () => {
    const dir = await writtenTrail(1);
    const old = checkpointOf(dir);
    const [oldVkey = ""] = readFileSync(join(dir, "vkey"), "utf8").split("\n");
    const log = await AuditLog.open(dir, { checkpoints: { rotateKey: true } });
    await log[Symbol.asyncDispose]();
    const both = checkpointOf(dir);
    expect(keyIds(both.note)).toHaveLength(2);
    expect(keyIds(both.note)[1]).toBe(keyIds(old.note)[0]);
    expect(openCheckpoint(both.note, old.origin, [new NoteVerifier(oldVkey)]).size).toBe(both.size);
    expect(recordsOf(dir).filter(({ type }) => type === "AuditKeyRotated")).toMatchObject([{ sev: "HIGH", details: { checkpoint: 3, beside: keyIds(old.note)[0]?.toString(16).padStart(8, "0") } }]);
    rmSync(join(dir, "key.pem.previous"));
    const again = await AuditLog.open(dir);
    await again[Symbol.asyncDispose]();
    expect(keyIds(checkpointOf(dir).note)).toEqual([keyIds(both.note)[0]]);
    expect(recordsOf(dir).filter(({ type }) => type === "AuditKeyRotated")).toHaveLength(1);
    expectSigned(dir, recordsOf(dir).length);
  });

  test("that is given may be changed by giving the new one before the old one", async () => {
    const [first, second] = [generatePrivateKey(), generatePrivateKey()];
    const dir = await writtenTrail(1, { checkpoints: { signingKey: first } });
    for (const signingKey of [[second, first], [second]]) {
      const log = await AuditLog.open(dir, { checkpoints: { signingKey } });
      await log[Symbol.asyncDispose]();
    }
    expect(recordsOf(dir).filter(({ type }) => type === "AuditKeyRotated")).toHaveLength(1);
    expectSigned(dir, recordsOf(dir).length);
  });

  function generateAnother(): KeyObject {
    return generateKeyPairSync("x25519").privateKey;
  }

  test.each([
    [{ everySeconds: 0 }, "everySeconds"], [{ everySeconds: "1" }, "everySeconds"], [{ everySeconds: 1e9 }, "everySeconds"], [{ everySeconds: NaN }, "everySeconds"],
    [{ everyRecords: 0 }, "everyRecords"], [{ everyRecords: 1.5 }, "everyRecords"], [{ rotateKey: 1 }, "rotateKey"], [{ rotateKey: true, signingKey: generatePrivateKey() }, "rotateKey"],
    [{ signingKey: "" }, "signingKey"], [{ signingKey: 5 }, "signingKey"], [{ signingKey: [] }, "signingKey"], [{ signingKey: generateAnother() }, "signingKey"], [{ signingKey: createPublicKey(generatePrivateKey()) }, "signingKey"],
    [{ witnesses: {} }, "witnesses"], [{ witnesses: [null] }, "witnesses"], [{ witnesses: [{ url: "ftp://x", vkey: "x" }] }, "witnesses"], [{ witnesses: [{ url: "https://x" }] }, "witnesses"],
    [{ witnesses: [{ url: "https://x", vkey: "x+y" }] }, "witnesses"], [true, ""], [[], ""], [null, ""],
  ])("the options %j are refused by name before anything is made", async (checkpoints, name) => {
    const dir = newFolder();
    await expect(AuditLog.open(dir, { checkpoints } as never)).rejects.toThrow(new RegExp(`^checkpoints${name === "" ? "" : "."}${name} must|^checkpoints.rotateKey needs`));
    expect(existsSync(dir)).toBe(false);
  });
});

describe("a process", () => {
  let home: string;
  beforeAll(() => { home = compiledLibrary(); });
  afterAll(() => { rmSync(home, { recursive: true, force: true }); });

  test("is not kept alive by a checkpoint to come, and signs one at its end", async () => {
    for (const end of ["", "process.exit(0);", "throw new Error('boom');"]) {
      const dir = newFolder();
      const before = performance.now();
      await death(startProgram(home, dir, `const log = await AuditLog.open(dir, { checkpoints: { everySeconds: 60 } }); await log.emit(denial("a")); ${end}`));
      expect(performance.now() - before).toBeLessThan(20_000);
      expectSigned(dir, 3);
    }
  });
});

function generateKeyFile(path: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(`${path}.tmp`, generatePrivateKey().export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

test("a checkpoint in these tests is one", async () => {
  const dir = await writtenTrail(0);
  expect(peekCheckpoint(checkpointOf(dir).note).size).toBe(2);
});
