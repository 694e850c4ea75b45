/** Our files in the hands of golang.org/x/mod/sumdb/note and tlog, unmodified; nothing of this project checks here. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TestContext } from "vitest";
import { openCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { CosignatureVerifier } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { formatBundle } from "../../lib/tlog/entry-bundle.ts";
import { addSignatures, formatNote, openNote, parseNote, signNote } from "../../lib/tlog/note.ts";
import { consistencyProof, inclusionProof } from "../../lib/tlog/proof.ts";
import { Publisher } from "../../lib/tlog/publisher.ts";
import type { Published } from "../../lib/tlog/publisher.ts";
import { NoteSigner, NoteVerifier } from "../../lib/tlog/signer.ts";
import { StoredTree } from "../../lib/tlog/tile-source.ts";
import { buildProof, formatProof, parseProof, verifyProof } from "../../lib/tlog/tlog-proof.ts";
import { Witness } from "../../lib/tlog/witness.ts";
import { buildGoTools, GoVerifier, removeGoTools, startGoWitness } from "./go.ts";
import type { Answered, Asked, GoTools } from "./go.ts";
import { laterCodeOf, record } from "./support.ts";
import { twinLeaf } from "./twin.ts";

const ORIGIN = "audit.example.com/model-loader/host-1";
const OLD_SIZE = 50_003;
const SIZE = 70_000;
/** Ends of tiles of both levels, of the older tree and of the whole. */
const INDEXES = [0, 1, 255, 256, 32_767, OLD_SIZE - 1, OLD_SIZE, 65_535, 65_536, 69_887, 69_888, SIZE - 1];
/** Compiling Go's HTTP server the first time takes half a minute of one core. */
const BUILD_MS_MAX = 600_000;

const signer = new NoteSigner(ORIGIN, generatePrivateKey());
const vkeys = [signer.vkey];
const place = mkdtempSync(join(tmpdir(), "model-loader-tlog-"));
let tools: GoTools;
let verifier: GoVerifier | undefined;
let publisher: Publisher;
let old: Published;
let last: Published;

beforeAll(() => {
  tools = buildGoTools();
  if (tools.missing === undefined) verifier = new GoVerifier(tools);
  publisher = Publisher.open({ folder: place, origin: ORIGIN, signers: [signer] });
  publisher.catchUp(leaves(0, OLD_SIZE));
  old = publisher.publishSync();
  publisher.catchUp(leaves(OLD_SIZE, SIZE));
  last = publisher.publishSync();
}, BUILD_MS_MAX);

afterAll(() => {
  verifier?.close();
  removeGoTools(tools);
  rmSync(place, { recursive: true, force: true });
});

describe("Go's note", () => {
  test("opens what we signed, and says which signatures it does not know", async (ctx) => {
    const other = new NoteSigner("other.example/log", generatePrivateKey());
    const note = signNote("some text \u00e8\n\nand more\n", [signer, other]);
    expect(await ask(ctx, { do: "note", note, vkeys })).toEqual({ ok: true, value: "1 verified, 1 unverified" });
    expect(await ask(ctx, { do: "note", note, vkeys: [signer.vkey, other.vkey] })).toEqual({ ok: true, value: "2 verified, 0 unverified" });
  });

  test("refuses a checkpoint with one digit edited", async (ctx) => {
    expect(await ask(ctx, { do: "note", note: last.note, vkeys })).toMatchObject({ ok: true });
    const edited = last.note.replace("\n70000\n", "\n70001\n");
    expect(await ask(ctx, { do: "note", note: edited, vkeys })).toMatchObject({ ok: false, error: expect.stringContaining("invalid signature") as unknown });
  });

  test("signs what we open", async (ctx) => {
    // The example key of Go's own documentation.
    const key = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const { value } = await ask(ctx, { do: "sign", key, text });
    expect(openNote(value, [new NoteVerifier(vkey)]).text).toBe(text);
  });
});

describe(`Go's tlog, over a log of ${SIZE} records`, () => {
  test("accepts our inclusion proofs, and none for another record", async (ctx) => {
    for (const index of INDEXES) {
      const hashes = inclusionProof(new StoredTree(publisher.tiles, SIZE), index).map((hash) => hash.toString("base64"));
      const request = { do: "inclusion", note: last.note, vkeys, index, hashes } as const;
      expect(await ask(ctx, { ...request, record: base64(record(index)) }), `record ${index}`).toMatchObject({ ok: true });
      expect(await ask(ctx, { ...request, record: base64(record(index + 1)) })).toMatchObject({ ok: false });
    }
  });

  test("accepts our consistency proof, and no other", async (ctx) => {
    const hashes = consistencyProof(new StoredTree(publisher.tiles, SIZE), OLD_SIZE).map((hash) => hash.toString("base64"));
    const request = { do: "consistency", note: last.note, old: old.note, vkeys } as const;
    expect(await ask(ctx, { ...request, hashes })).toMatchObject({ ok: true });
    expect(await ask(ctx, { ...request, hashes: hashes.toReversed() })).toMatchObject({ ok: false });
    expect(await ask(ctx, { ...request, hashes: hashes.slice(1) })).toMatchObject({ ok: false });
  });

  test("finds every record in our tiles, and proves it from them", async (ctx) => {
    for (const index of INDEXES) {
      const request = { do: "stored", note: last.note, vkeys, folder: place, index } as const;
      expect(await ask(ctx, { ...request, record: base64(record(index)) }), `record ${index}`).toMatchObject({ ok: true });
      expect(await ask(ctx, { ...request, record: base64(record(index + 1)) })).toMatchObject({ ok: false });
    }
  });

  test("finds the records of the older checkpoint in the tiles as they are now", async (ctx) => {
    const request = { do: "stored", note: old.note, vkeys, folder: place, index: OLD_SIZE - 1 } as const;
    expect(await ask(ctx, { ...request, record: base64(record(OLD_SIZE - 1)) })).toMatchObject({ ok: true });
  });

  test("proves from our tiles that the log only grew", async (ctx) => {
    expect(await ask(ctx, { do: "grown", note: last.note, old: old.note, vkeys, folder: place })).toMatchObject({ ok: true });
  });

  test("refuses a tile with one bit turned", async (ctx) => {
    const tile = join(place, "tile/0/100");
    const whole = readFileSync(tile);
    onTestFinished(() => { writeFileSync(tile, whole); });
    writeFileSync(tile, Buffer.from(whole).fill((whole[5] ?? 0) ^ 1, 5, 6));
    const index = 100 * 256 + 77;
    const answer = await ask(ctx, { do: "stored", note: last.note, vkeys, folder: place, index, record: base64(record(index)) });
    expect(answer).toMatchObject({ ok: false, error: expect.stringContaining("inconsistent tile") as unknown });
  });

  test("finds the records of an entry bundle in the tile of the same place", async (ctx) => {
    const records = Array.from({ length: 256 }, (_, i) => record(100 * 256 + i));
    const request = { do: "bundle", note: last.note, vkeys, folder: place, index: 100 } as const;
    expect(await ask(ctx, { ...request, text: formatBundle(records).toString("base64") })).toMatchObject({ ok: true });
    expect(await ask(ctx, { ...request, text: formatBundle(records.toReversed()).toString("base64") })).toMatchObject({ ok: false });
  });
});

describe("a witness in Go", () => {
  test("cosigns as the log grows, and the proof with its word is whole for all", async (ctx) => {
    need(ctx);
    const watcher = await startGoWitness(tools, signer.vkey, ORIGIN, "witness.example/w1");
    onTestFinished(() => { watcher.close(); });
    const keys = [new CosignatureVerifier(watcher.vkey)];
    await new Witness({ url: watcher.url, keys }).cosign(old.note, publisher.tiles);
    // A new process of ours does not know where the witness stands, and is told.
    const witness = new Witness({ url: watcher.url, keys });
    const cosignatures = await witness.cosign(last.note, publisher.tiles);
    const note = formatNote(addSignatures(parseNote(last.note), cosignatures));
    expect(await ask(ctx, { do: "note", note, vkeys })).toEqual({ ok: true, value: "1 verified, 1 unverified" });
    const file = formatProof(buildProof(publisher.tiles, 12_345, twinLeaf(record(12_345)), note));
    const proven = verifyProof(parseProof(file), twinLeaf(record(12_345)), { origin: ORIGIN, logKeys: [signer.verifier()], witnesses: keys, quorum: 1 });
    expect(Math.abs((proven.witnessed[0]?.unixSeconds ?? 0) - Date.now() / 1_000)).toBeLessThan(60);
  });

  test("refuses another history, a shorter one, another key and another log", async (ctx) => {
    need(ctx);
    const watcher = await startGoWitness(tools, signer.vkey, ORIGIN, "witness.example/w1");
    onTestFinished(() => { watcher.close(); });
    const ask = (note: string): Promise<unknown> => new Witness({ url: watcher.url, keys: [new CosignatureVerifier(watcher.vkey)] }).cosign(note, publisher.tiles);
    await ask(old.note);
    const resign = (changes: { origin?: string; key?: NoteSigner; root?: Buffer }): string => {
      const { size, root } = openCheckpoint(last.note, ORIGIN, [signer.verifier()]);
      return signNote(`${changes.origin ?? ORIGIN}\n${size}\n${(changes.root ?? root).toString("base64")}\n`, [changes.key ?? signer]);
    };
    expect(await laterCodeOf(ask(resign({ root: Buffer.alloc(32) })))).toBe("WITNESS_BAD_PROOF");
    expect(await laterCodeOf(ask(resign({ origin: "other.example/log" })))).toBe("WITNESS_UNKNOWN_LOG");
    expect(await laterCodeOf(ask(resign({ key: new NoteSigner(ORIGIN, generatePrivateKey()) })))).toBe("WITNESS_BAD_SIGNATURE");
    await ask(last.note);
    expect(await laterCodeOf(ask(old.note))).toBe("WITNESS_AHEAD");
  });
});

function* leaves(from: number, to: number): Iterable<Buffer> {
  for (let i = from; i < to; i += 1) yield twinLeaf(record(i));
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64");
}

function need(ctx: TestContext): GoVerifier {
  if (verifier === undefined) ctx.skip(tools.missing);
  else return verifier;
  throw new Error("unreachable");
}

function ask(ctx: TestContext, request: Asked): Promise<Answered> {
  return need(ctx).ask(request);
}
