/** A trail that the real AuditLog wrote, in the hands of golang.org/x/mod/sumdb/note and tlog and of a witness process in Go. */
import { cpSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TestContext } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import type { CheckpointOptions } from "../../lib/audit/checkpoint-options.ts";
import type { AuditLogOptions } from "../../lib/audit/options.ts";
import { checkProof, proveRecord } from "../../lib/audit/proof.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { peekCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { Cosigner } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { parseNote } from "../../lib/tlog/note.ts";
import { consistencyProof } from "../../lib/tlog/proof.ts";
import { NoteSigner } from "../../lib/tlog/signer.ts";
import { TileFolder } from "../../lib/tlog/tile-folder.ts";
import { StoredTree } from "../../lib/tlog/tile-source.ts";
import { parseProof } from "../../lib/tlog/tlog-proof.ts";
import { denial, loaded, newFolder, recordsOf, segmentsOf } from "../audit/support.ts";
import { buildGoTools, GoVerifier, removeGoTools, startGoWitness } from "./go.ts";
import type { Answered, Asked, GoTools, GoWitness } from "./go.ts";

const BUILD_MS_MAX = 600_000;
const ORIGIN = "audit.example.com/model-loader/host-1";

let tools: GoTools;
let verifier: GoVerifier | undefined;
beforeAll(() => {
  tools = buildGoTools();
  if (tools.missing === undefined) verifier = new GoVerifier(tools);
}, BUILD_MS_MAX);
afterAll(() => {
  verifier?.close();
  removeGoTools(tools);
});

function ask(ctx: TestContext, request: Asked): Promise<Answered> {
  if (verifier === undefined) ctx.skip(tools.missing);
  else return verifier.ask(request);
  throw new Error("unreachable");
}

const noteOf = (dir: string): string => readFileSync(join(dir, "checkpoint"), "utf8");
const count = async (registry: Registry, name: string): Promise<number> =>
  (await registry.getSingleMetric(`model_loader_audit_${name}`)?.get())?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await what()); tries += 1) {
    if (tries > 500) throw new Error("waited in vain");
    await sleep(10);
  }
}

/** One run of a log: its records, and each checkpoint that was to be seen on the way. */
async function run(dir: string, notes: string[], records: number, options: AuditLogOptions = {}): Promise<void> {
  const log = await AuditLog.open(dir, { segmentBytes: 131_072, checkpoints: { everyRecords: 100 }, ...options });
  for (let i = 0; i < records; i += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => log.emit(j === 0 ? denial(`d-${i}`) : loaded(`l-${i}`))));
    // More than a hundred records wait by then, so one is signed.
    if (i % 150 === 140 && options.checkpoints !== false) {
      await until(() => log.checkpoint !== undefined && log.checkpoint !== notes.at(-1));
      notes.push(log.checkpoint ?? "");
    }
  }
  await log[Symbol.asyncDispose]();
  notes.push(noteOf(dir));
}

describe("a living trail, across runs, segments, a change of keys and a crash", () => {
  const dir = newFolderForAll();
  const notes: string[] = [];
  let vkeys: string[];
  let size: number;

  beforeAll(async () => {
    await run(dir, notes, 700);
    const [old = ""] = readFileSync(join(dir, "vkey"), "utf8").split("\n");
    await run(dir, notes, 300, { checkpoints: { everyRecords: 100, rotateKey: true } });
    rmSync(join(dir, "key.pem.previous"));
    await run(dir, notes, 200);
    // A crash above the checkpoint: half a record.
    await run(dir, [], 20, { checkpoints: false });
    const last = segmentsOf(dir).at(-1) ?? "";
    truncateSync(last, readFileSync(last).length - 100);
    await run(dir, notes, 100);
    vkeys = [old, readFileSync(join(dir, "vkey"), "utf8").trim()];
    ({ size } = peekCheckpoint(notes.at(-1) ?? ""));
  });

  test("is whole for us", async () => {
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 1, checkpoint: { size } });
    expect(notes.length).toBeGreaterThan(8);
    expect(segmentsOf(dir).length).toBeGreaterThan(5);
  });

  test("has checkpoints that Go opens: with the old key, with both, with the new one", async (ctx) => {
    const verified = await Promise.all(notes.map(async (note) => (await ask(ctx, { do: "note", note, vkeys })).value));
    expect(new Set(verified)).toEqual(new Set(["1 verified, 0 unverified", "2 verified, 0 unverified"]));
    expect((await ask(ctx, { do: "note", note: notes[0] ?? "", vkeys: vkeys.slice(1) })).ok).toBe(false);
    expect((await ask(ctx, { do: "note", note: notes.at(-1) ?? "", vkeys: vkeys.slice(1) })).ok).toBe(true);
  });

  test("only grew, from each checkpoint to each later one: by its tiles and by our proofs", async (ctx) => {
    const tiles = new TileFolder(dir);
    for (const [i, old] of notes.entries()) {
      for (const note of [notes[i + 1] ?? old, notes.at(-1) ?? old]) {
        const [from, to] = [peekCheckpoint(old).size, peekCheckpoint(note).size];
        expect(await ask(ctx, { do: "grown", note, old, vkeys, folder: dir }), `${from} to ${to}`).toMatchObject({ ok: true });
        const hashes = consistencyProof(new StoredTree(tiles, to), from).map((hash) => hash.toString("base64"));
        expect(await ask(ctx, { do: "consistency", note, old, vkeys, hashes }), `${from} to ${to}`).toMatchObject({ ok: true });
      }
    }
  });

  test("has every record where its tiles say, and the proofs that we hand out are Go's", async (ctx) => {
    const note = notes.at(-1) ?? "";
    for (let seq = 0; seq < size; seq += seq < 1_000 ? 89 : 13) {
      const made = await proveRecord(dir, seq);
      const record = Buffer.from(made.record, "latin1").toString("base64");
      expect(await ask(ctx, { do: "stored", note, vkeys, folder: dir, index: seq, record }), `record ${seq}`).toMatchObject({ ok: true });
      const { hashes, checkpoint } = parseProof(made.proof);
      const request = { do: "inclusion", note: checkpoint, vkeys, index: seq, hashes: hashes.map((hash) => hash.toString("base64")) } as const;
      expect(await ask(ctx, { ...request, record }), `record ${seq}`).toMatchObject({ ok: true });
      expect(await ask(ctx, { ...request, record: Buffer.from(`${made.record} `).toString("base64") })).toMatchObject({ ok: false });
    }
  });

  test("is no longer the same for Go where a record, a tile or the checkpoint is another", async (ctx) => {
    const record = Buffer.from((await proveRecord(dir, 5)).record, "latin1").toString("base64");
    expect(await ask(ctx, { do: "stored", note: notes.at(-1) ?? "", vkeys, folder: dir, index: 6, record })).toMatchObject({ ok: false });
    const copy = `${dir}-copy`;
    cpSync(dir, copy, { recursive: true });
    truncateSync(join(copy, "tile/0/000"), 8_191);
    expect(await ask(ctx, { do: "stored", note: notes.at(-1) ?? "", vkeys, folder: copy, index: 5, record })).toMatchObject({ ok: false });
    expect(await ask(ctx, { do: "note", note: (notes.at(-1) ?? "").replace(`\n${size}\n`, `\n${size + 1}\n`), vkeys })).toMatchObject({ ok: false });
  });
});

describe("a witness in Go", () => {
  const key = generatePrivateKey();
  const vkeys = [new NoteSigner(ORIGIN, key).vkey];

  async function watcher(ctx: TestContext): Promise<GoWitness> {
    if (tools.missing !== undefined) ctx.skip(tools.missing);
    const started = await startGoWitness(tools, vkeys[0] ?? "", ORIGIN, "witness.example/w1");
    onTestFinished(() => { started.close(); });
    return started;
  }

  test("is shown every checkpoint while the trail is written, and its word stands on the checkpoint and in proofs", async (ctx) => {
    const witness = await watcher(ctx);
    const dir = newFolder();
    const checkpoints: CheckpointOptions = { everySeconds: 0.02, signingKey: key, witnesses: [witness] };
    for (let round = 0; round < 3; round += 1) {
      const log = await AuditLog.open(dir, { origin: ORIGIN, checkpoints });
      await log.emit(denial());
      await until(() => log.checkpoint !== undefined && parseNote(log.checkpoint).signatures.length === 2);
      await log[Symbol.asyncDispose]();
      expect(await verifyTrail(dir, { vkeys, witnesses: [witness.vkey] })).toMatchObject({ ok: true, checkpoint: { size: (round + 1) * 3, witnessed: [{ name: "witness.example/w1" }] } });
    }
    const { proof, record } = await proveRecord(dir, 4);
    expect(checkProof(proof, record, { vkeys, witnesses: [witness.vkey] })).toMatchObject({ seq: 4, witnessed: [{ name: "witness.example/w1" }] });
    expect(await ask(ctx, { do: "note", note: noteOf(dir), vkeys })).toMatchObject({ value: "1 verified, 1 unverified" });
  });

  test("does not cosign a trail that was put back as a whole, which its own files cannot tell", async (ctx) => {
    const witness = await watcher(ctx);
    const dir = newFolder();
    const failures: unknown[] = [];
    const told = (details: { err?: unknown }): void => { failures.push(details.err); };
    const registry = new Registry();
    const checkpoints: CheckpointOptions = { everySeconds: 0.02, signingKey: key, witnesses: [witness] };
    const session = async (records: number): Promise<void> => {
      const log = await AuditLog.open(dir, { origin: ORIGIN, registry, emergency: () => undefined, logger: { error: told, warn: told }, checkpoints });
      const [opened, before] = [log.size, failures.length];
      for (let i = 0; i < records; i += 1) await log.emit(loaded());
      // The witness's word comes while the log is open: a cosignature, or a refusal.
      const isCosigned = (note = ""): boolean => peekCheckpoint(note).size > opened && parseNote(note).signatures.length === 2;
      await until(() => failures.length > before || (log.checkpoint !== undefined && isCosigned(log.checkpoint)));
      await log[Symbol.asyncDispose]();
    };
    await session(1);
    cpSync(dir, `${dir}-backup`, { recursive: true });
    await session(50);
    expect(failures).toEqual([]);
    rmSync(dir, { recursive: true });
    cpSync(`${dir}-backup`, dir, { recursive: true });
    await session(1);
    expect(failures[0]).toMatchObject({ code: "WITNESS_AHEAD" });
    expect(recordsOf(dir).filter(({ type }) => type === "AuditRollbackDetected")).toMatchObject([{ sev: "CRITICAL", reason: "WITNESS_AHEAD" }]);
    expect(await verifyTrail(dir, { vkeys, witnesses: [witness.vkey] })).toMatchObject({ ok: false, damage: { kind: "checkpoint" } });
    await session(60);
    expect(failures).toContainEqual(expect.objectContaining({ code: "WITNESS_BAD_PROOF" }));
    expect(await registry.metrics()).toMatch(/model_loader_audit_witness_failures_total\{reason="inconsistent"\} [2-9]/u);
  });
});

describe("a witness that gives no answer", () => {
  const witness = (url: string): CheckpointOptions => ({ everySeconds: 0.02, witnesses: [{ url, vkey: new Cosigner("w.example", generatePrivateKey(), () => 1).vkey }] });

  async function silentServer(): Promise<{ url: string; asked: () => number; close: () => void }> {
    let asked = 0;
    const server = createServer(() => { asked += 1; });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const close = (): void => { server.close(); server.closeAllConnections(); };
    onTestFinished(close);
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked: () => asked, close };
  }

  test("because it hangs holds up neither records nor the end", async () => {
    const { url, asked } = await silentServer();
    const dir = newFolder();
    const registry = new Registry();
    const log = await AuditLog.open(dir, { registry, checkpoints: witness(url) });
    await log.emit(denial());
    await until(() => asked() === 1);
    const before = performance.now();
    for (let i = 0; i < 100; i += 1) await log.emit(loaded());
    expect(performance.now() - before).toBeLessThan(1_500);
    await log[Symbol.asyncDispose]();
    expect(performance.now() - before).toBeLessThan(6_000);
    expect(await count(registry, "witness_failures_total")).toBe(1);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, checkpoint: { size: 103 } });
  });

  test("because it is gone is counted, logged and asked again while nothing else happens", async () => {
    const { url, close } = await silentServer();
    close();
    const registry = new Registry();
    const dir = newFolder();
    const log = await AuditLog.open(dir, { registry, checkpoints: witness(url) });
    await until(async () => (await count(registry, "witness_failures_total")) > 2);
    expect(await count(registry, "checkpoint_failures_total")).toBe(0);
    log[Symbol.dispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, checkpoint: { size: 2 } });
  });
});

/** For a whole group of tests; `newFolder` is of one. */
function newFolderForAll(): string {
  const parent = join(process.env["TMPDIR"] ?? "/tmp", `audit-living-${process.pid}`);
  afterAll(() => { rmSync(parent, { recursive: true, force: true }); });
  return join(parent, "trail");
}
