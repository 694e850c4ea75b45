/** The three ways in which an answer about a seal cannot be an old one, each judged by somebody who was not asked. */
import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { TileList } from "../../lib/vram/tile-list.ts";
import { builtDouble, DOUBLE_MS_MAX, onTheDouble } from "../support/driver-double.ts";

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);

const DIGEST = expect.stringMatching(/^[0-9a-f]{64}$/u) as string;

describe("a fresh MAC", () => {
  test("is foretold by whoever holds the tile list, and by nobody without it", async () => {
    const [list, nonces, responses, flipped] = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      const [{ bytes, sizeBytes }] = shard.tileLists();
      tell([Buffer.from(bytes).toString("base64"), sizeBytes, (await loader.load("m.gguf")).blake3]);
      const nonces = [Buffer.alloc(32, 1), "ab".repeat(32)];
      tell(nonces.map((nonce) => Buffer.from(nonce, "hex").toString("hex")));
      const responses = [];
      for (const nonce of nonces) responses.push((await shard.challenge(nonce)).freshness);
      tell(responses);
      fails("flip=300000");
      tell((await caught(shard.challenge(nonces[0]))).evidence.freshness);
      await shard[Symbol.asyncDispose]();
    `) as [[string, number, string], string[], { response: string }[], { response: string }];
    const held = new TileList(Buffer.from(list[0], "base64"), list[1]);
    expect(held.blake3).toBe(list[2]);
    expect(responses).toEqual(nonces.map((nonce) => ({ method: "fresh-mac", nonce, response: TileList.response([held], nonce) })));
    expect(responses[0]?.response).not.toBe(responses[1]?.response);
    expect(flipped.response).toEqual(DIGEST);
    expect(flipped.response).not.toBe(responses[0]?.response);
  });

  test("of a list that is another model's is told by the list's own digest", () => {
    const tile = randomBytes(32);
    const one = new TileList(Buffer.concat([tile, randomBytes(32)]), 300_000);
    const changed = Uint8Array.from(one.bytes);
    changed[40] = (changed[40] ?? 0) ^ 1;
    expect(new TileList(changed, 300_000).blake3).not.toBe(one.blake3);
    expect(() => new TileList(tile, 300_000)).toThrow(TypeError);
    expect(() => new TileList(tile.subarray(1), 3)).toThrow("no tile values of a file of 3 bytes");
    expect(() => new TileList(tile, -1)).toThrow("sizeBytes");
    expect(() => TileList.response([one], "00")).toThrow("nonce must be 32 bytes");
    expect(() => TileList.response([], "00".repeat(32))).toThrow("one TileList a file");
    // The list is a copy: its giver may write to what it was made of.
    const before = TileList.response([one], "00".repeat(32));
    tile.fill(0);
    expect(TileList.response([one], "00".repeat(32))).toBe(before);
  });
});

describe("a book", () => {
  test("holds answers that only these bytes give, to be compared here or by who holds it", { timeout: 60_000 }, async () => {
    const [book, open, closed, wrong, stolen, recorded, seconds] = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      const book = JSON.parse(JSON.stringify(await shard.book(3)));
      tell(book);
      const { nonce, answer } = book[0];
      tell(await shard.challenge(nonce, { method: "book" }));
      tell(await shard.challenge(nonce, { answer }));
      tell(await caught(shard.challenge(nonce, { answer: "00".repeat(32) })));
      fails("flip=300000");
      tell(await caught(shard.challenge(book[1].nonce, { answer: book[1].answer })));
      tell(records().filter(({ type }) => type.startsWith("Seal")).map(({ type, sev, action, reason, details }) => [type, sev, action, reason, details.actualDigest !== undefined, details.badTiles]));
      fails("");
      await shard[Symbol.asyncDispose]();
      const good = await loader.seal("m.gguf");
      const [entry] = await good.book(1);
      const before = await metric("last_verified_timestamp_seconds");
      await sleep(2);
      await good.challenge(entry.nonce, { method: "book" });
      const open = await metric("last_verified_timestamp_seconds");
      await good.challenge(entry.nonce, { answer: entry.answer });
      tell([open === before, await metric("last_verified_timestamp_seconds") > before]);
    `) as [{ nonce: string; answer: string }[], ...unknown[]];
    const [first] = book;
    expect(book).toEqual(Array.from({ length: 3 }, () => ({ nonce: DIGEST, answer: DIGEST })));
    expect(new Set(book.flatMap(({ nonce, answer }) => [nonce, answer])).size).toBe(6);
    expect(open).toMatchObject({ level: "challenge", verdict: "inconclusive", reasons: [expect.stringContaining("nothing was compared here")], freshness: { method: "book", nonce: first?.nonce, response: first?.answer } });
    expect((open as { content: object }).content).not.toHaveProperty("root");
    expect(closed).toMatchObject({ verdict: "resident", content: { root: DIGEST }, freshness: { response: first?.answer, expected: first?.answer } });
    expect(wrong).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", message: expect.stringContaining("every tile is as sealed") as string, evidence: { verdict: "not-resident", content: { badTilesCount: 0 } } });
    expect(stolen).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", evidence: { content: { badTilesCount: 1 } } });
    expect(recorded).toEqual([
      ["SealVerified", "INFO", "vram.book", undefined, false, undefined],
      ["SealVerified", "INFO", "vram.verify", "INCONCLUSIVE", false, undefined],
      ["SealVerified", "INFO", "vram.verify", undefined, false, undefined],
      ["SealVerificationFailed", "CRITICAL", "vram.verify", "VRAM_VERIFICATION_FAILED", true, undefined],
      ["SealVerificationFailed", "CRITICAL", "vram.verify", "VRAM_VERIFICATION_FAILED", false, 1],
    ].map((row) => row.map((value) => value ?? null)));
    expect(seconds).toEqual([true, true]);
  });

  test("of wrong bytes is none, whatever the policy says; a disposed shard and a signal have none either", async () => {
    const said = await onTheDouble(`
      const shard = await loader.seal("m.gguf", { policy: { onViolation: "event" } });
      tell((await caught(shard.book(1, { signal: AbortSignal.abort() }))).code);
      fails("flip=300000");
      tell((await caught(shard.book(2))).code);
      tell(records().filter(({ sev }) => sev === "CRITICAL").map(({ type, action }) => [type, action]));
      await shard[Symbol.asyncDispose]();
      tell([(await caught(shard.book(1))).code, (() => { try { shard.tileLists(); } catch (error) { return error.code; } })()]);
    `);
    expect(said).toEqual(["VRAM_ABORTED", "VRAM_VERIFICATION_FAILED", [["SealVerificationFailed", "vram.book"]], ["VRAM_HANDLE_STALE", "VRAM_HANDLE_STALE"]]);
  });
});

describe("a spot check", () => {
  test("compares random tiles with the file, which is read again, and tells both when they differ", { timeout: 60_000 }, async () => {
    const [good, again, stolen, other, changed, broken, recorded] = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      const model = await loader.load("m.gguf");
      tell(await model.spotCheck(shard, { p: 1 }));
      tell((await model.spotCheck(shard, { p: 0.2 })).freshness.nonce);
      fails("flip=300000");
      tell(await caught(model.spotCheck(shard, { p: 1 })));
      fails("");
      tinyModel({ blocks: 2 }).save(join(home, "models/other.gguf"));
      const refused = await caught((await loader.load("other.gguf")).spotCheck(shard));
      tell([refused instanceof TypeError, refused.message]);
      const fresh = await loader.seal("m.gguf");
      const bytes = readFileSync(join(home, "models/m.gguf"));
      bytes[300000] ^= 1;
      writeFileSync(join(home, "models/m.gguf"), bytes);
      tell(await caught(model.spotCheck(fresh, { p: 1 })));
      // The file is another one now; the memory is not.
      tell([fresh.signal.aborted, (await fresh.verify()).verdict]);
      tell(records().filter(({ sev, action }) => sev === "CRITICAL" && action.startsWith("vram")).map(({ type, reason }) => [type, reason]));
    `);
    expect(good).toMatchObject({ level: "sample", verdict: "resident", content: { badTilesCount: 0 }, freshness: { method: "sampled", nonce: DIGEST } });
    expect(again).not.toBe((good as { freshness: { nonce: string } }).freshness.nonce);
    expect(stolen).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", evidence: { freshness: { method: "sampled" }, content: { badTilesCount: 1 } } });
    expect(other).toEqual([true, "this shard holds another model"]);
    expect(changed).toMatchObject({ code: "VRAM_FILE_CHANGED" });
    expect(broken).toEqual([false, "resident"]);
    expect(recorded).toEqual([["SealVerificationFailed", "VRAM_VERIFICATION_FAILED"], ["IntegrityViolation", "VRAM_FILE_CHANGED"]]);
  });
});

test("a split model is asked as one: answers are those of all its parts", { timeout: 60_000 }, async () => {
  const [responses, open, closed, spot, verified, wrong] = await onTheDouble(`
    import { splitSpecs, writeSet } from "${import.meta.dirname}/../fixtures/split-models.mjs";
    import { tinyModelSpec } from "${import.meta.dirname}/../fixtures/models.mjs";
    const [{ file }] = writeSet(join(home, "models"), "s", splitSpecs(tinyModelSpec({ blocks: 16 }), 3));
    const [shard, model] = [await loader.seal(file), await loader.load(file)];
    const nonce = "ab".repeat(32);
    tell([(await shard.challenge(nonce)).freshness.response, TileList.response(shard.tileLists(), nonce)]);
    const [entry] = await shard.book(1);
    tell(await shard.challenge(entry.nonce, { method: "book" }));
    const before = await metric("last_verified_timestamp_seconds");
    await sleep(2);
    tell([await shard.challenge(entry.nonce, { answer: entry.answer }), entry.answer]);
    tell(await model.spotCheck(shard, { p: 1 }));
    tell([await metric("last_verified_timestamp_seconds") > before, (await caught(model.spotCheck(await loader.seal("m.gguf")))).message]);
    fails("flip=10000\\nmapping=3");
    tell(await caught(model.spotCheck(shard, { p: 1 })));
  `) as [string[], { freshness: { response: string } }, [Record<string, unknown>, string], Record<string, unknown>, unknown, unknown];
  expect(responses[0]).toBe(responses[1]);
  expect(open).toMatchObject({ verdict: "inconclusive", freshness: { response: closed[1] }, parts: [{}, {}, {}] });
  expect(closed[0]).toMatchObject({ verdict: "resident", freshness: { expected: closed[1] }, parts: Array.from({ length: 3 }, () => ({ content: { root: DIGEST } })) });
  expect(spot).toMatchObject({ level: "sample", verdict: "resident", freshness: { method: "sampled" }, content: { badTilesCount: 0 }, parts: [{}, {}, {}] });
  expect(verified).toEqual([true, "this shard holds another model"]);
  expect(wrong).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", part: 3, evidence: { content: { badTiles: [{ part: 3, index: 0 }] } } });
});
