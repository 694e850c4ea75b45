/** What verification finds with a signed checkpoint and could not find without, and proofs of single records. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { checkProof, proveRecord } from "../../lib/audit/proof.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import type { VerifyOptions } from "../../lib/audit/verify.ts";
import { signCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { Cosigner } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { addSignatures, formatNote, parseNote } from "../../lib/tlog/note.ts";
import { Publisher } from "../../lib/tlog/publisher.ts";
import { readKeyFile } from "../../lib/tlog/key-file.ts";
import { NoteSigner } from "../../lib/tlog/signer.ts";
import { linesOf, loaded, newFolder, segmentsOf, writtenTrail } from "./support.ts";

let source: string;
let vkeys: string[];
/** Records in the source: two full tiles and a part of a third. */
const SIZE = 600;

beforeAll(async () => {
  source = `${process.env["TMPDIR"] ?? "/tmp"}/audit-signed-${process.pid}`;
  const log = await AuditLog.open(source);
  for (let i = 0; i < SIZE - 2; i += 1) void log.emit(loaded(`c-${i}`));
  await log[Symbol.asyncDispose]();
  vkeys = [vkeyOf(source)];
  return () => { rmSync(source, { recursive: true, force: true }); };
});

function vkeyOf(dir: string): string {
  return readFileSync(join(dir, "vkey"), "utf8").split("\n")[0] ?? "";
}

function copied(): string {
  const dir = newFolder();
  cpSync(source, dir, { recursive: true });
  return dir;
}

const noteOf = (dir: string): string => readFileSync(join(dir, "checkpoint"), "utf8");
const damageOf = async (dir: string, options: VerifyOptions = { vkeys }): Promise<unknown> => (await verifyTrail(dir, options)).damage;

function rewrite(dir: string, change: (lines: string[]) => string[], chained = true): void {
  const lines = change(linesOf(dir));
  for (let i = 1; chained && i < lines.length; i += 1) {
    const prev = createHash("sha256").update(`\0${lines[i - 1] ?? ""}`).digest("hex");
    lines[i] = (lines[i] ?? "").replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`).replace(/"seq":\d+/, `"seq":${i}`);
  }
  writeFileSync(segmentsOf(dir)[0] ?? "", lines.map((line) => `${line}\n`).join(""), "latin1");
}

/** Signs the trail as it stands with its own key, as somebody who has the whole host would. */
function signAnew(dir: string): void {
  for (const name of ["tile", "checkpoint"]) rmSync(join(dir, name), { recursive: true });
  const origin = (JSON.parse(linesOf(dir)[0] ?? "") as { origin: string }).origin;
  const publisher = Publisher.open({ folder: dir, origin, signers: [new NoteSigner(origin, readKeyFile(join(dir, "key.pem")))] });
  publisher.catchUp(linesOf(dir).map((line) => createHash("sha256").update(`\0${line}`).digest()));
  publisher.publishSync();
}

describe("a trail with a checkpoint", () => {
  test("is whole, and what that does not prove depends on what was brought", async () => {
    const alone = await verifyTrail(source);
    expect(alone).toMatchObject({ ok: true, records: SIZE, checkpoint: { size: SIZE, keysFrom: "folder", witnessed: [] } });
    expect(alone.notProven.join("\n")).toContain("from the trail's own folder");
    const keyed = await verifyTrail(source, { vkeys });
    expect(keyed).toMatchObject({ ok: true, checkpoint: { keysFrom: "caller" } });
    expect(keyed.notProven.join("\n")).not.toContain("from the trail's own folder");
    expect(keyed.notProven.join("\n")).toContain("only a witness");
    const bare = await verifyTrail(await writtenTrail(3, { checkpoints: false }));
    expect(bare.ok).toBe(true);
    expect(bare.checkpoint).toBeUndefined();
    expect(bare.notProven.join("\n")).toContain("a chain has no secret");
  });

  test("may have grown since", async () => {
    const dir = copied();
    const log = await AuditLog.open(dir, { checkpoints: false });
    await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    const report = await verifyTrail(dir, { vkeys });
    expect(report).toMatchObject({ ok: true, records: SIZE + 3, checkpoint: { size: SIZE } });
    expect(report.notProven[0]).toContain("the 3 after them are held by the chain alone");
  });

  test("is verified while it is written", async () => {
    const dir = copied();
    const log = await AuditLog.open(dir, { checkpoints: { everySeconds: 0.01, everyRecords: 50 } });
    const end = Date.now() + 1_500;
    const burst = async (): Promise<unknown> => Promise.all([...Array.from({ length: 40 }, () => log.emit(loaded())), sleep(10)]);
    const writing = (async () => { while (Date.now() < end) await burst(); })();
    let checks = 0;
    while (Date.now() < end) {
      const { damage } = await verifyTrail(dir, { vkeys });
      if (damage?.kind !== "torn") expect(damage).toBeUndefined();
      checks += 1;
    }
    await writing;
    await log[Symbol.asyncDispose]();
    expect(checks).toBeGreaterThan(3);
    expect(await damageOf(dir)).toBeUndefined();
  });
});

describe("records that the chain alone would let pass", () => {
  const cut = (count: number) => (dir: string): void => { truncateSync(segmentsOf(dir)[0] ?? "", linesOf(dir).slice(0, count).join("\n").length + 1); };
  const tamperings: [string, (dir: string) => void, object][] = [
    ["the last one cut off", cut(SIZE - 1), { kind: "rolled-back", seq: SIZE - 1 }],
    ["most of them cut off", cut(77), { kind: "rolled-back", seq: 77 }],
    ["all of them deleted", (dir) => { rmSync(segmentsOf(dir)[0] ?? ""); }, { kind: "rolled-back", seq: 0 }],
    ["the end torn below the checkpoint", (dir) => { truncateSync(segmentsOf(dir)[0] ?? "", linesOf(dir).slice(0, 50).join("\n").length - 9); }, { kind: "rolled-back", seq: 49 }],
    ["the last one changed", (dir) => { rewrite(dir, (lines) => lines.map((line, i) => (i === SIZE - 1 ? line.replace('"why":"dispose"', '"why":"nothing"') : line))); }, { kind: "changed", seq: SIZE - 1 }],
    ["one changed and all after it chained anew", (dir) => { rewrite(dir, (lines) => lines.map((line) => line.replace('"c-300"', '"x-300"'))); }, { kind: "rolled-back", seq: 301 }],
    ["one removed and all after it chained anew", (dir) => { rewrite(dir, (lines) => [...lines.filter((_, i) => i !== 300), lines[300] ?? ""]); }, { kind: "rolled-back", seq: 300 }],
  ];
  test.each(tamperings)("%s: named", async (_, tamper, damage) => {
    const dir = copied();
    tamper(dir);
    expect(await damageOf(dir)).toMatchObject(damage);
    // The chain has nothing to say about it: without the signed tree it is another whole trail, or has an end that a crash could leave.
    for (const name of ["checkpoint", "vkey", "tile"]) rmSync(join(dir, name), { recursive: true });
    expect(["none", "torn", "missing"]).toContain((await verifyTrail(dir)).damage?.kind ?? "none");
  });

  test("changed, with tiles to match: the tiles no longer lead to the signed root, and the place is told as far as that goes", async () => {
    const dir = copied();
    rewrite(dir, (lines) => lines.map((line) => line.replace('"c-300"', '"x-300"')));
    const note = noteOf(dir);
    signAnew(dir);
    writeFileSync(join(dir, "checkpoint"), note);
    expect(await damageOf(dir)).toMatchObject({ kind: "rolled-back", seq: 0 });
  });

  test("written anew and signed anew are found by an earlier checkpoint alone", async () => {
    const dir = copied();
    const since = noteOf(dir);
    rewrite(dir, (lines) => lines.map((line) => line.replace('"c-300"', '"x-300"')));
    signAnew(dir);
    expect(await damageOf(dir)).toBeUndefined();
    expect(await damageOf(dir, { vkeys, since })).toMatchObject({ kind: "rolled-back" });
  });

  test("rolled back with their checkpoint are found by an earlier one", async () => {
    const dir = copied();
    const before = noteOf(dir);
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    const since = noteOf(dir);
    expect(await damageOf(source, { vkeys, since })).toMatchObject({ kind: "rolled-back", seq: SIZE });
    expect(await damageOf(dir, { vkeys, since: before })).toBeUndefined();
    expect(await damageOf(dir, { vkeys, since })).toBeUndefined();
    // The records are all there, only the checkpoint was put back.
    writeFileSync(join(dir, "checkpoint"), before);
    rmSync(join(dir, "tile"), { recursive: true });
    cpSync(join(source, "tile"), join(dir, "tile"), { recursive: true });
    expect(await damageOf(dir, { vkeys, since })).toMatchObject({ kind: "checkpoint", message: expect.stringContaining("put back") as string });
  });

  test("cut off behind the checkpoint leave tiles that say so", async () => {
    const dir = copied();
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    writeFileSync(join(dir, "checkpoint"), noteOf(source));
    truncateSync(segmentsOf(dir)[0] ?? "", linesOf(dir).slice(0, SIZE).join("\n").length + 1);
    expect(await damageOf(dir)).toMatchObject({ kind: "rolled-back", seq: SIZE });
  });

  test("damaged as the chain can tell are named as before", async () => {
    const dir = copied();
    rewrite(dir, (lines) => lines.map((line) => line.replace('"c-300"', '"x-300"')), false);
    expect(await damageOf(dir)).toMatchObject({ kind: "changed", seq: 301 });
  });
});

describe("a tile", () => {
  const tiles = ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"];
  const first = { "tile/0/000": 0, "tile/0/001": 256, "tile/0/002.p/88": 512, "tile/1/000.p/2": 0 };

  test("is checked at every one of its bytes", async () => {
    const dir = copied();
    for (const path of tiles) {
      const whole = readFileSync(join(dir, path));
      for (let at = 0; at < whole.length; at += 1 + Math.floor(whole.length / 97)) {
        writeFileSync(join(dir, path), Buffer.from(whole).fill((whole[at] ?? 0) ^ 1, at, at + 1));
        const unit = path.startsWith("tile/1") ? 256 : 1;
        expect(await damageOf(dir), `${path} ${at}`).toMatchObject({ kind: "tile", seq: first[path as keyof typeof first] + Math.floor(at / 32) * unit });
      }
      writeFileSync(join(dir, path), whole);
    }
    expect(await damageOf(dir)).toBeUndefined();
  }, 60_000);

  test.each(tiles)("%s that is missing, cut, too long, a folder, a link or a pipe is named, and nobody waits for it", async (path) => {
    for (const damage of [
      (file: string) => { rmSync(file); },
      (file: string) => { truncateSync(file, 31); },
      (file: string) => { writeFileSync(file, Buffer.alloc(1), { flag: "a" }); },
      (file: string) => { rmSync(file); mkdirSync(file); },
      (file: string) => { rmSync(file); symlinkSync("/etc/passwd", file); },
      (file: string) => { rmSync(file); execFileSync("mkfifo", [file]); },
    ]) {
      const dir = copied();
      damage(join(dir, path));
      expect(await damageOf(dir)).toMatchObject({ kind: "tile" });
    }
  });

  test("that is left over from a narrower tree is checked too", async () => {
    const dir = copied();
    expect(readdirSync(join(dir, "tile/1/000.p"))).toContain("2");
    writeFileSync(join(dir, "tile/1/000.p/1"), Buffer.alloc(32, 9));
    expect(await damageOf(dir)).toMatchObject({ kind: "tile", seq: 0 });
  });
});

describe("a checkpoint", () => {
  const wrong: [string, (dir: string) => void, string][] = [
    ["that is gone", (dir) => { rmSync(join(dir, "checkpoint")); }, "was removed"],
    ["whose verifier key is gone", (dir) => { rmSync(join(dir, "vkey")); }, "vkey was removed"],
    ["that is empty", (dir) => { writeFileSync(join(dir, "checkpoint"), ""); }, "signed note"],
    ["that is a link", (dir) => { rmSync(join(dir, "checkpoint")); symlinkSync("/etc/passwd", join(dir, "checkpoint")); }, "symbolic link"],
    ["that is endless", (dir) => { truncateSync(join(dir, "checkpoint"), 5e9); }, "larger than"],
    ["with another size", (dir) => { writeFileSync(join(dir, "checkpoint"), noteOf(dir).replace(`\n${SIZE}\n`, "\n60\n")); }, "does not fit the text"],
    ["of another key", (dir) => { resign(dir, new NoteSigner(vkeys[0]?.split("+")[0] ?? "", generatePrivateKey())); }, "none of the 1 known keys"],
    ["of another log", (dir) => { const other = new NoteSigner("other.example", generatePrivateKey()); resign(dir, other); writeFileSync(join(dir, "vkey"), `${other.vkey}\n`); }, "is of the log"],
    ["with a verifier key that is none", (dir) => { writeFileSync(join(dir, "vkey"), "nonsense\n"); }, "is no"],
  ];
  function resign(dir: string, signer: NoteSigner): void {
    const [, size = "", root = ""] = noteOf(dir).split("\n");
    const checkpoint = { origin: signer.name, size: Number(size), root: Buffer.from(root, "base64"), extensions: [] };
    writeFileSync(join(dir, "checkpoint"), signCheckpoint(checkpoint, [signer]));
  }

  test.each(wrong)("%s is told", async (_, spoil, words) => {
    const dir = copied();
    spoil(dir);
    expect(await damageOf(dir, {})).toMatchObject({ kind: "checkpoint", message: expect.stringContaining(words) as string });
  });

  test("at every one of its bytes", async () => {
    const dir = copied();
    const whole = readFileSync(join(dir, "checkpoint"));
    for (let at = 0; at < whole.length; at += 1) {
      writeFileSync(join(dir, "checkpoint"), Buffer.from(whole).fill((whole[at] ?? 0) ^ 1, at, at + 1));
      const { damage } = await verifyTrail(dir, { vkeys });
      expect(damage?.kind, `byte ${at}`).toBe("checkpoint");
    }
  }, 120_000);

  test("that must be cosigned, is, and by whom and when is told; otherwise that is said", async () => {
    const dir = copied();
    const witness = new Cosigner("witness.example/w1", generatePrivateKey(), () => 1_700_000_000);
    expect(await damageOf(dir, { vkeys, witnesses: [witness.vkey] })).toMatchObject({ kind: "checkpoint", message: expect.stringContaining("witness.example/w1") as string });
    const note = parseNote(noteOf(dir));
    writeFileSync(join(dir, "checkpoint"), formatNote(addSignatures(note, [{ name: witness.name, keyId: witness.keyId, signature: witness.sign(note.text) }])));
    const report = await verifyTrail(dir, { vkeys, witnesses: [witness.vkey] });
    expect(report).toMatchObject({ ok: true, checkpoint: { witnessed: [{ name: "witness.example/w1", unixSeconds: 1_700_000_000 }] } });
    expect(report.notProven.join("\n")).not.toContain("only a witness");
    const liar = addSignatures(note, [{ name: witness.name, keyId: witness.keyId, signature: witness.sign(`${note.text}x\n`) }]);
    writeFileSync(join(dir, "checkpoint"), formatNote(liar));
    expect(await damageOf(dir, { vkeys, witnesses: [witness.vkey] })).toMatchObject({ kind: "checkpoint" });
  });

  test.each([[{ vkeys: [] }], [{ vkeys: ["x"] }], [{ witnesses: ["y"] }], [{ since: "no note" }]])("%j is the caller's mistake", async (options) => {
    await expect(verifyTrail(source, options)).rejects.toThrow(TypeError);
  });
});

describe("a record", () => {
  test.each([0, 1, 255, 256, 511, 512, SIZE - 1])("%d is proven, and the proof fits no other record", async (seq) => {
    const { proof, record, size, origin } = await proveRecord(source, seq);
    expect(record).toBe(linesOf(source)[seq]);
    expect(size).toBe(SIZE);
    expect(checkProof(proof, record, { vkeys })).toEqual({ seq, size: SIZE, origin, witnessed: [] });
    expect(checkProof(proof, `${record}\n`, { vkeys }).seq).toBe(seq);
    for (const other of [`${record} `, record.slice(0, -1), linesOf(source)[(seq + 1) % SIZE] ?? ""]) {
      expect(() => checkProof(proof, other, { vkeys })).toThrow(expect.objectContaining({ code: "PROOF_FAILED" }));
    }
    expect(() => checkProof(proof.replace(`index ${seq}\n`, `index ${(seq + 1) % SIZE}\n`), record, { vkeys })).toThrow(expect.objectContaining({ code: "PROOF_FAILED" }));
    const stranger = new NoteSigner(origin, generatePrivateKey());
    expect(() => checkProof(proof, record, { vkeys: [stranger.vkey] })).toThrow(expect.objectContaining({ code: "UNSIGNED" }));
  });

  test.each([[SIZE, "OUT_OF_RANGE"], [2 ** 53 - 1, "OUT_OF_RANGE"]])("%d has no proof: %s", async (seq, code) => {
    await expect(proveRecord(source, seq)).rejects.toMatchObject({ name: "TlogError", code });
  });

  test.each([[-1], [1.5], [NaN], ["3"]])("%j is no number of a record", async (seq) => {
    await expect(proveRecord(source, seq as number)).rejects.toThrow(TypeError);
  });

  test("of a damaged trail is not proven, and the reason is told", async () => {
    const refusal = async (spoil: (dir: string) => void, options = {}): Promise<unknown> => {
      const dir = copied();
      spoil(dir);
      return proveRecord(dir, 301, options).catch((failure: unknown) => failure);
    };
    expect(await refusal((dir) => { rewrite(dir, (lines) => lines.map((line) => line.replace('"c-300"', '"x-300"')), false); })).toMatchObject({ code: "PROOF_FAILED" });
    expect(await refusal((dir) => { rewrite(dir, (lines) => lines.filter((_, i) => i !== 301), false); })).toMatchObject({ code: "PROOF_FAILED" });
    expect(await refusal((dir) => { rmSync(join(dir, "tile/0/001")); })).toMatchObject({ code: "TILE_MISSING" });
    expect(await refusal((dir) => { rmSync(join(dir, "checkpoint")); })).toMatchObject({ code: "UNSIGNED" });
    expect(await refusal(() => undefined, { vkeys: [new NoteSigner("other", generatePrivateKey()).vkey] })).toMatchObject({ code: "UNSIGNED" });
  });

  test("asks for the witnesses that the auditor names", async () => {
    const dir = copied();
    const witness = new Cosigner("witness.example/w1", generatePrivateKey(), () => 1_700_000_000);
    const note = parseNote(noteOf(dir));
    const { record, proof } = await proveRecord(dir, 5);
    expect(() => checkProof(proof, record, { vkeys, witnesses: [witness.vkey] })).toThrow(expect.objectContaining({ code: "UNSIGNED" }));
    writeFileSync(join(dir, "checkpoint"), formatNote(addSignatures(note, [{ name: witness.name, keyId: witness.keyId, signature: witness.sign(note.text) }])));
    const cosigned = await proveRecord(dir, 5);
    expect(checkProof(cosigned.proof, cosigned.record, { vkeys, witnesses: [witness.vkey] }).witnessed).toEqual([{ name: "witness.example/w1", unixSeconds: 1_700_000_000 }]);
  });
});

test("a trail that was forced on after a rollback is verified with its new key, and its old tree stays evidence", async () => {
  const dir = copied();
  truncateSync(segmentsOf(dir)[0] ?? "", linesOf(dir).slice(0, 100).join("\n").length + 1);
  const log = await AuditLog.open(dir, { force: true });
  await log[Symbol.asyncDispose]();
  expect(await verifyTrail(dir)).toMatchObject({ ok: true, checkpoint: { origin: `${log.origin}/anew-1` } });
  expect(await damageOf(dir, { vkeys })).toMatchObject({ kind: "checkpoint", message: expect.stringContaining("/anew-1") as string });
  expect(await damageOf(dir, { vkeys: [vkeyOf(dir)] })).toBeUndefined();
});
