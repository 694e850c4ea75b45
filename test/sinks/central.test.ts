/** What arrived away from the host is checked like a trail, and a host that cut or rewrote its own is named. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { fileSource } from "../../lib/audit/central/file-source.ts";
import { verifyCentral } from "../../lib/audit/central/verify-central.ts";
import type { CentralOptions, CentralReport } from "../../lib/audit/central/verify-central.ts";
import { natsSink } from "../../lib/audit/sinks/nats.ts";
import { originIn, originToken, subjectOf } from "../../lib/audit/sinks/nats-subject.ts";
import { linesOf, loaded, newFolder, openLog, recordsOf, segmentsOf, writtenTrail } from "../audit/support.ts";
import { cli } from "../cli/support.ts";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { debianServer, NatsServer } from "./nats.ts";
import type { Program } from "./nats.ts";
import { STREAM } from "./support.ts";

let debian: Program | string = "not looked for yet";

beforeAll(async () => { debian = await debianServer(); }, INSTALL_MS_MAX);

function present(ctx: TestContext): Program {
  return typeof debian === "string" ? ctx.skip(debian) : debian;
}

async function checked(lines: readonly string[], options: CentralOptions = {}): Promise<CentralReport[]> {
  const path = `${newFolder()}.ndjson`;
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return verifyCentral(await fileSource(path), options);
}

async function only(lines: readonly string[], options: CentralOptions = {}): Promise<CentralReport> {
  const reports = await checked(lines, options);
  expect(reports).toHaveLength(1);
  return reports[0] as CentralReport;
}

async function damageOf(lines: readonly string[]): Promise<[string, number] | undefined> {
  const { damage, ok } = await only(lines);
  expect(ok).toBe(damage === undefined);
  return damage === undefined ? undefined : [damage.kind, damage.seq];
}

describe("lines that arrived", () => {
  test("whole are intact, with syslog's text before them, and each of several hosts on its own", async () => {
    const dirs = [await writtenTrail(20), await writtenTrail(30)];
    const [a = [], b = []] = dirs.map((dir) => linesOf(dir));
    const mixed = b.flatMap((line, i) => [line, ...(a[i] === undefined ? [] : [`<110>1 2026-11-24T08:00:00Z host model-loader - - - ${a[i]}`])]);
    const reports = await checked(["a line of something else", ...mixed]);
    expect(reports.map(({ ok, records }) => [ok, records]).sort()).toEqual([[true, 22], [true, 32]]);
  });

  test("more than once, as after a crash of the sender, are counted and no damage", async () => {
    const lines = linesOf(await writtenTrail(20));
    expect(await only([...lines.slice(0, 15), ...lines.slice(5, 15), ...lines.slice(10)])).toMatchObject({ ok: true, records: 22, repeated: 15 });
  });

  test.each(Array.from({ length: 12 }, (_, seq) => seq))("changed, missing, swapped or inserted at record %i are named", async (seq) => {
    const lines = linesOf(await writtenTrail(10));
    const last = seq === lines.length - 1;
    const changed = lines.map((line, i) => (i === seq ? line.replace('"outcome":"', '"outcome":"x') : line));
    // Nothing is chained to the last record: only a value kept elsewhere could tell.
    expect(await damageOf(changed)).toEqual(last ? undefined : ["changed", seq]);
    const missing = lines.filter((_, i) => i !== seq);
    expect(await damageOf(missing)).toEqual(last ? undefined : ["missing", seq]);
    if (!last) expect(await damageOf(lines.map((line, i) => (i === seq ? lines[i + 1] : i === seq + 1 ? lines[seq] : line) ?? ""))).toEqual(["swapped", seq]);
    const forged = lines[seq]?.replace(/"corr":"c-\d+"|"details":/u, (text) => (text.startsWith('"corr') ? '"corr":"evil"' : '"detailz":')) ?? "";
    expect((await damageOf([...lines.slice(0, seq), forged, ...lines.slice(seq)]))?.[1]).toBeLessThanOrEqual(seq + 1);
  });

  test("that are no records, of any length, are damage or nothing, and never the end of the check", async () => {
    const lines = linesOf(await writtenTrail(10));
    const prefix = /^\{"v":1,"origin":"[^"]+","seq":/u.exec(lines[0] ?? "")?.[0] ?? "";
    for (const junk of [prefix, `${prefix}5`, prefix + "x".repeat(20_000), `${prefix}99999999999999999999,"prev":"`]) {
      expect(await damageOf([...lines.slice(0, 6), junk, ...lines.slice(6)])).toEqual(["inserted", 6]);
      expect(await damageOf([...lines, junk])).toEqual(["inserted", 12]);
    }
  });

  test("are held against a signed checkpoint", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    for (let i = 0; i < 10; i += 1) log.emitSync(loaded(`c-${i}`));
    await log[Symbol.asyncDispose]();
    const since = readFileSync(join(dir, "checkpoint"), "utf8");
    const vkeys = readFileSync(join(dir, "vkey"), "utf8").split("\n").filter((key) => key !== "");
    const lines = linesOf(dir);
    expect(await only(lines, { since, vkeys })).toMatchObject({ ok: true });
    expect(await only(lines.slice(0, -2), { since, vkeys })).toMatchObject({ ok: false, damage: { kind: "missing", seq: 10 } });
    const other = await writtenTrail(10, { origin: log.origin });
    expect(await only(linesOf(other), { since, vkeys })).toMatchObject({ ok: false, damage: { kind: "rolled-back" } });
    await expect(only(lines, { since })).rejects.toThrow("verifier keys");
  });
});

describe("a host's own trail", () => {
  test("that was cut is named with what is gone; one that is only ahead is in order", async () => {
    const dir = await writtenTrail(20);
    const lines = linesOf(dir);
    expect(await only(lines, { dir })).toMatchObject({ ok: true, notArrived: 0 });
    expect(await only(lines.slice(0, 15), { dir })).toMatchObject({ ok: true, notArrived: 7 });
    const [segment = ""] = segmentsOf(dir);
    rmSync(join(dir, "checkpoint"));
    rmSync(join(dir, "vkey"));
    writeFileSync(segment, `${lines.slice(0, 15).join("\n")}\n`);
    const report = await only(lines, { dir });
    expect(report).toMatchObject({ ok: false, damage: { kind: "rolled-back", seq: 15 }, local: { ok: true, records: 15 } });
    expect(report.damage?.message).toContain("records 15 to 21 have arrived here and are not in the host's own trail");
  });

  test("that was written anew from some record on is named with the first that differs", async () => {
    const dir = newFolder();
    const first = await openLog(dir, { checkpoints: false });
    await first[Symbol.asyncDispose]();
    const copy = `${dir}-copy`;
    cpSync(dir, copy, { recursive: true });
    for (const place of [dir, copy]) {
      const log = await openLog(place, { checkpoints: false });
      for (let i = 0; i < 10; i += 1) log.emitSync(loaded(`c-${i}`));
      await log[Symbol.asyncDispose]();
    }
    const report = await only(linesOf(dir), { dir: copy });
    expect(report).toMatchObject({ ok: false, damage: { kind: "rolled-back", seq: 2 }, local: { ok: true } });
    expect(report.damage?.message).toContain("another record 2");
    const stranger = await only(linesOf(dir), { dir: await writtenTrail(3) });
    expect(stranger.damage?.message).toContain("a new one was begun in its place");
  });
});

describe("model-loader audit verify --stream", () => {
  test("checks every host of a stream, and a host that cut its own log ends with exit code 1", async (ctx) => {
    const server = await NatsServer.start(present(ctx));
    const dirs = [newFolder(), newFolder()];
    const origins: string[] = [];
    for (const dir of dirs) {
      const log = await openLog(dir, { sinks: [natsSink({ servers: server.url, createStream: true, closeMs: 20_000 })], checkpoints: false });
      for (let i = 0; i < 700; i += 1) log.emitSync(loaded(`c-${i}`));
      await log[Symbol.asyncDispose]();
      origins.push(log.origin);
    }
    const [dir = ""] = dirs;
    const asked = ["audit", "verify", "--stream", server.url, "--stream-name", STREAM];
    const all = await cli([...asked, "--json"]);
    expect(all.stderr + String(all.code)).toBe("0");
    const reports = all.stdout.trim().split("\n").map((line) => JSON.parse(line) as CentralReport);
    expect(reports.map(({ ok, origin, records, closed }) => [ok, origin, records, closed])).toEqual([...origins].sort().map((origin) => [true, origin, 702, true]));
    expect(await cli([...asked, dir])).toMatchObject({ code: 2 });
    expect(await cli([...asked, dir, "--origin", origins[0] ?? ""])).toMatchObject({ code: 0 });
    const [segment = ""] = segmentsOf(dir);
    writeFileSync(segment, `${linesOf(dir).slice(0, 500).join("\n")}\n`);
    expect(await cli(["audit", "verify", dir])).toMatchObject({ code: 0 });
    const cut = await cli([...asked, dir, "--origin", origins[0] ?? ""]);
    expect(cut.code).toBe(1);
    expect(cut.stdout).toContain("records 500 to 701 have arrived here and are not in the host's own trail");
  }, 60_000);

  test("names a record that a host forged under its own subject, and one that is missing", async (ctx) => {
    const server = await NatsServer.start(present(ctx));
    const client = await server.client();
    await (await jetstreamManager(client)).streams.add({ name: STREAM, subjects: ["audit.*"] });
    const dir = await writtenTrail(50);
    const lines = linesOf(dir).filter((_, seq) => seq !== 30);
    for (const line of lines) await jetstream(client).publish(subjectOf("audit", String(recordsOf(dir)[0]?.["origin"])), line);
    const { code, stdout } = await cli(["audit", "verify", "--stream", server.url, "--stream-name", STREAM]);
    expect(code).toBe(1);
    expect(stdout).toContain("record 30, missing");
    expect(stdout).toContain("messages can be deleted (deny_delete is off)");
  });

  test.each([
    [["--stream", "nats://127.0.0.1:1"], 2, "--stream-name"],
    [["--stream-name", "x"], 2, "--stream-name goes with --stream"],
    [["--stream", "nats://127.0.0.1:1", "--stream-name", "x"], 3, "UNREADABLE"],
    [["--stream", "/nowhere.ndjson"], 3, "no such file"],
    [["--stream", "nats://secret@127.0.0.1:1", "--stream-name", "x"], 3, "nats://127.0.0.1:1"],
  ])("says what is wrong with %j", async (args, code, said) => {
    const ended = await cli(["audit", "verify", ...args]);
    expect([ended.code, ended.stdout + ended.stderr]).toEqual([code, expect.stringContaining(said)]);
    expect(ended.stdout + ended.stderr).not.toContain("secret");
  });
});

test("an origin and its subject stand for each other, whatever is in it", () => {
  for (const origin of ["a.b/c", "h*>%/x", "host/model-loader/0123456789ab", "%41", "A"]) {
    expect(originIn(subjectOf("audit.deep", origin))).toBe(origin);
    expect(originToken(origin)).toMatch(/^[A-Za-z0-9_%-]+$/);
  }
  expect(originIn("audit.%zz")).toBeUndefined();
});
