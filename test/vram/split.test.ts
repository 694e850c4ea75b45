/** Split models in GPU memory: sealed, checked and freed as one, and as the measure of what an engine holds of them. */
import { beforeAll, describe, expect, test } from "vitest";
import { lavapipe } from "../gpu/lavapipe.ts";
import type { Lavapipe } from "../gpu/lavapipe.ts";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { cli, folder, line } from "../cli/support.ts";
import { tinyModelSpec } from "../fixtures/models.mjs";
import { splitSpecs, writeSet } from "../fixtures/split-models.mjs";
import { builtDouble, DOUBLE_MS_MAX, installedDouble, onTheDouble, program } from "../support/driver-double.ts";

let found: Lavapipe | string;

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);
beforeAll(async () => { found = await lavapipe(); }, INSTALL_MS_MAX);

const DIGEST = expect.stringMatching(/^[0-9a-f]{64}$/u) as string;
const text = (part: string): string => expect.stringContaining(part) as string;

const SET = `
  import { partName, setDigest, splitSpecs, writeSet } from "${import.meta.dirname}/../fixtures/split-models.mjs";
  import { tinyModelSpec } from "${import.meta.dirname}/../fixtures/models.mjs";
  const specs = splitSpecs(tinyModelSpec({ blocks: 16 }), 3);
  const parts = writeSet(join(home, "models"), "s", specs);
  const first = parts[0].file;
  const digests = Object.fromEntries(parts.map(({ file, sha256 }) => [file, sha256]));
  const idle = async () => { const [device] = (await vramDevices()).devices; return device.freeBytes; };
  const kinds = () => records().map(({ type }) => type).filter((type) => /Vram|Seal|Model|Scrub|Violation|Lost/.test(type));
`;

describe("a split model", () => {
  test("is sealed by one call, looked at as one, and freed as one, each with one record", async () => {
    const [sealed, records, checks, pass, ended] = await onTheDouble(`${SET}
      const before = await idle();
      const shard = await loader.seal(first, { sha256: digests, actor: "alice" });
      tell({ ...shard, record: await caught((async () => shard.record)()), pointer: await caught((async () => shard.pointer)()),
        expected: parts.map(({ sha256, bytes }) => ({ sha256, sizeBytes: bytes.length })), whole: setDigest(parts.map(({ sha256 }) => sha256)),
        pointers: new Set(shard.parts.map(({ pointer }) => pointer)).size, tensors: new Set([...shard.gguf.tensors].map(({ part }) => part)).size,
        bytes: await metric("sealed_bytes"), models: await metric("sealed_models") });
      tell(records());
      const nonce = Buffer.alloc(32, 7);
      tell([await shard.verify({ level: "quick" }), await shard.verify({ level: "sample", p: 0.01 }), await shard.verify(), await shard.challenge(nonce)]);
      const scrub = shard.scrub({ dutyCycle: 1, budgetMs: 1 });
      const coverage = [];
      scrub.on("step", (step) => coverage.push(step.coverage));
      const evidence = await new Promise((resolve) => scrub.once("completed", resolve));
      await scrub.stop();
      tell({ coverage, evidence });
      await shard[Symbol.asyncDispose]();
      tell({ kinds: kinds().slice(-3), free: (await idle()) - before, after: await caught((async () => shard.parts[1].pointer)()), models: await metric("sealed_models") });
    `) as [Record<string, unknown>, Record<string, unknown>[], Record<string, unknown>[], { coverage: number[]; evidence: unknown }, unknown];
    const whole = sealed["whole"];
    expect(sealed).toMatchObject({
      sha256: whole, digestExpected: true, pointers: 3, tensors: 3, models: 1, bytes: sealed["sizeBytes"],
      parts: (sealed["expected"] as object[]).map((file, index) => ({ ...file, blake3: DIGEST, record: { part: index + 1, parts: 3, shardId: sealed["id"], access: "read-only", mac: DIGEST } })),
      evidence: { verdict: "resident", parts: [{ content: { root: DIGEST } }, {}, {}], content: { badTilesCount: 0 } },
      record: { message: text("shard.parts[i]") }, pointer: { message: text("shard.parts[i]") },
    });
    expect(sealed).not.toHaveProperty("blake3");
    const of = { target: { sha256: whole, path: text("-00001-of-00003.gguf") }, actor: "alice" };
    expect(records.slice(-3)).toMatchObject([
      { ...of, type: "ModelLoaded", action: "model.seal", details: { parts: 3, partDigests1: (sealed["expected"] as { sha256: string }[]).map(({ sha256 }) => sha256).join(" ") } },
      { ...of, type: "VramAllocated", details: { requestedBytes: sealed["sizeBytes"] } },
      { ...of, type: "VramSealed", details: { shardId: sealed["id"], vramBytes: sealed["sizeBytes"], digest: whole } },
    ]);
    expect(checks.map(({ verdict, parts }) => [verdict, (parts as object[]).length])).toEqual(Array.from({ length: 4 }, () => ["resident", 3]));
    expect(checks[1]).toMatchObject({ content: { tilesChecked: 3 } });
    expect(checks[2]).toMatchObject({ content: { bytesChecked: sealed["sizeBytes"] } });
    expect(checks[3]).toMatchObject({ freshness: { response: DIGEST } });
    expect(pass.coverage.every((one) => one >= 0 && one <= 1)).toBe(true);
    expect(pass.evidence).toMatchObject({ verdict: "resident", content: { bytesChecked: sealed["sizeBytes"] }, parts: [{}, {}, {}] });
    expect(ended).toMatchObject({ kinds: ["ScrubCompleted", "VramDeallocated", "ModelUnloaded"], free: 0, after: { code: "VRAM_HANDLE_STALE" }, models: 0 });
  });

  test("is held to the rules of sets, and what breaks one leaves nothing on the device", async () => {
    const said = await onTheDouble(`${SET}
      await (await loader.seal("m.gguf"))[Symbol.asyncDispose]();
      const before = await idle();
      const refused = async (path, options) => { const { code, part } = await caught(loader.seal(path, options)); tell([code, part ?? null, (await idle()) === before]); };
      await refused(parts[1].file, { sha256: parts[1].sha256 });
      await refused(first, { sha256: parts[0].sha256 });
      await refused(first, { sha256: { ...digests, [parts[2].file]: "0".repeat(64) } });
      await refused(first, { sha256: { [first]: parts[0].sha256 } });
      await refused(first, { maxBytes: parts[0].bytes.length });
      renameSync(parts[1].path, parts[1].path + ".gone");
      await refused(first);
      writeFileSync(parts[1].path, "hello");
      await refused(first);
      writeSet(join(home, "models"), "other", splitSpecs(tinyModelSpec({ blocks: 8 }), 3));
      renameSync(join(home, "models", partName("other", 1, 3)), parts[1].path);
      await refused(first);
      tell(kinds().filter((type) => type.startsWith("Vram")));
    `);
    expect(said).toEqual([
      ["GGUF_BAD_SPLIT", null, true], ["DIGEST_MISMATCH", null, true], ["DIGEST_MISMATCH", 3, true], ["DIGEST_REQUIRED", null, true], ["TOO_LARGE", null, true],
      ["NOT_FOUND", 2, true], ["GGUF_NOT_GGUF", 2, true], ["GGUF_BAD_SPLIT", expect.any(Number) as number, true],
      ["VramAllocated", "VramSealed", "VramDeallocated"],
    ]);
  });

  /** What the driver does wrong in the second part, or to all of them, and what comes of it. */
  const REFUSED: readonly (readonly [fault: string, options: object, code: string, part: number | null, type: string, details: object])[] = [
    ["flip_copy=100000\nmapping=2", {}, "VRAM_SEAL_MISMATCH", 2, "SealVerificationFailed", { part: 2, badTiles: 1, badTileList: "2:0", badTensors: text("blk.") }],
    ["slow_pages=0\nmapping=2", {}, "VRAM_NOT_RESIDENT", 2, "ResidencyLost", { observed: text("part 2 of 3: ") }],
    ["host=1", {}, "VRAM_POLICY_VIOLATION", 1, "PolicyViolation", { policy: "host", violation: text("part 1 of 3: ") }],
    ["total=9000000", {}, "VRAM_ALLOCATION_FAILED", 3, "VramAllocationFailed", { part: 3 }],
    ["free=1000", {}, "VRAM_INSUFFICIENT_MEMORY", null, "VramAllocationFailed", { availableBytes: 1000 }],
    ["", { policy: { residentFractionMin: 1 } }, "VRAM_POLICY_VIOLATION", null, "PolicyViolation", { policy: "residentFractionMin" }],
  ];

  test("of which one part cannot be sealed is not sealed at all: the part is named, and all memory is free", { timeout: 60_000 }, async () => {
    const [seen, models] = await onTheDouble(`${SET}
      await (await loader.seal("m.gguf"))[Symbol.asyncDispose]();
      const before = await idle();
      const seen = [];
      for (const [fault, options] of ${JSON.stringify(REFUSED)}) {
        fails(fault);
        const { code, part = null, message } = await caught(loader.seal(first, options));
        fails("");
        seen.push({ fault, code, part, message, record: records().at(-1), free: (await idle()) - before });
      }
      tell(seen);
      tell(await metric("sealed_models"));
    `);
    expect(seen).toMatchObject(REFUSED.map(([fault, , code, part, type, details]) => ({
      fault, code, part, free: 0, record: { type, reason: code, details },
      ...(part === null ? {} : { message: text(`part ${part} of 3: `) }),
    })));
    expect(models).toBe(0);
  });

  test("of which a byte changes later is told by part and tensor, to checks and to scrubs", async () => {
    const [error, record, scrubbed] = await onTheDouble(`${SET}
      const shard = await loader.seal(first, { policy: { onViolation: "throw" } });
      fails("flip=100000\\nmapping=2");
      tell(await caught(shard.verify()));
      tell(records().at(-1));
      const scrub = shard.scrub({ dutyCycle: 1 });
      tell([await new Promise((resolve) => scrub.once("failed", resolve)), await scrub.ended, shard.signal.reason.part]);
    `);
    expect(error).toMatchObject({
      code: "VRAM_VERIFICATION_FAILED", part: 2, message: text("(part 2)"),
      evidence: { content: { badTilesCount: 1, badTiles: [{ part: 2, index: 0, tensors: expect.arrayContaining([text("blk.")]) as string[] }] }, parts: [{ verdict: "resident" }, { verdict: "not-resident" }, {}] },
    });
    expect(record).toMatchObject({ type: "SealVerificationFailed", sev: "CRITICAL", details: { part: 2, badTileList: "2:0", badTensors: text("blk.") } });
    expect(scrubbed).toMatchObject([{ code: "VRAM_VERIFICATION_FAILED", part: 2 }, "failed", 2]);
  });

  test("is sealed whole by the command line, whichever of its parts is named", async () => {
    const [home, env] = [await folder(), await installedDouble()];
    const parts = writeSet(home, "s", splitSpecs(tinyModelSpec({ blocks: 4 }), 3));
    const programs = await cli(["vram", "seal", parts[1]?.file ?? "", "--json"], home, env);
    expect([programs.code, line(programs.stdout)]).toMatchObject([0, {
      path: parts[0]?.file, ok: true, sealed: true, evidence: { verdict: "resident", parts: [{}, {}, {}] },
      parts: parts.map(({ file, sha256 }, index) => ({ path: file, sha256, record: { part: index + 1 } })),
    }]);
    expect(line(programs.stdout)).not.toHaveProperty("record");
    const people = await cli(["vram", "verify", parts[2]?.file ?? "", "--level", "quick"], home, env);
    expect(people).toMatchObject({ code: 0, stdout: text("RESIDENT by a quick check") });
  });

  test("on a driver that computes on the processor is unified, part by part", async (ctx) => {
    if (typeof found === "string") return ctx.skip(found);
    const { said } = await program(`${SET}
      const [{ uuid: device }] = (await vramDevices()).devices.filter(({ backend }) => backend === "vulkan");
      const shard = await loader.seal(first, { sha256: digests, device, policy: { allowUnified: true } });
      tell([shard.evidence.verdict, shard.parts.map(({ record, pointer = null }) => [record.backend, record.part, pointer])]);
      tell([(await shard.verify()).parts.map(({ verdict }) => verdict), (await shard.challenge(Buffer.alloc(32, 1))).freshness.method]);
      const scrub = shard.scrub({ dutyCycle: 1 });
      while (scrub.passes < 1) await sleep(10);
      await shard[Symbol.asyncDispose]();
      tell([await scrub.ended, kinds().slice(-2)]);
    `, { ...process.env, ...found.env });
    expect(said).toEqual([
      ["unified", [["vulkan", 1, null], ["vulkan", 2, null], ["vulkan", 3, null]]],
      [["unified", "unified", "unified"], "fresh-mac"],
      ["disposed", ["VramDeallocated", "ModelUnloaded"]],
    ]);
  });
});

describe("an engine's copy of a split model", () => {
  const RANGES = `${SET}
    const shard = await loader.seal(first);
    const model = await loader.load(first, { sha256: digests, actor: "bob" });
    const rangeOf = ({ name, part, offset, bytes }) => ({ pointer: shard.parts[part - 1].pointer + BigInt(offset), bytes, tensor: name });
    const of = (part, count) => [...model.gguf.tensors].filter((tensor) => tensor.part === part).slice(0, count);
    const ranges = [...of(3, 2), ...of(1, 2), ...of(2, 3)].map(rangeOf);
  `;

  test("is held against the tensors of all parts", async () => {
    const [report, counts, record, again] = await onTheDouble(`${RANGES}
      const report = await model.verifyRanges(ranges);
      tell(report);
      tell([model.blake3 ?? null, report.ranges.map(({ part }) => part), report.tensorsUnchecked.length, model.gguf.tensorCount, report.bytesChecked === ranges.reduce((sum, { bytes }) => sum + bytes, 0)]);
      tell(records().at(-1));
      tell((await model.verifyRanges([...model.gguf.tensors].map(rangeOf))).tensorsUnchecked);
    `) as [unknown, unknown[], unknown, unknown];
    expect(report).toMatchObject({ verdict: "resident" });
    const tensors = counts[3] as number;
    expect(counts).toEqual([null, [3, 3, 1, 1, 2, 2, 2], tensors - 7, tensors, true]);
    expect(record).toMatchObject({ type: "ForeignVerified", actor: "bob", details: { coverage: text("7 tensors, ") } });
    expect(again).toEqual([]);
  });

  test("must be shown by time to lie on the device as a whole, where that is asked", async () => {
    const [report] = await onTheDouble(`${RANGES}
      const { verdict, reasons, residentFractionMin, ranges: seen } = await model.verifyRanges(ranges, { policy: { residentFractionMin: 1 } });
      tell({ verdict, reasons, residentFractionMin, each: seen.map(({ verdict, reasons }) => [verdict, ...reasons]) });
    `);
    expect(report).toEqual({
      verdict: "inconclusive", reasons: [text("time shows only")], residentFractionMin: expect.any(Number) as number,
      each: Array.from({ length: 7 }, () => ["resident"]),
    });
  });

  test("that has one wrong byte is told by tensor and part", async () => {
    const [error, record, tensor] = await onTheDouble(`${RANGES}
      const [, bad] = of(2, 3);
      fails("flip=" + (bad.offset + 5) + "\\nmapping=2");
      tell(await caught(model.verifyRanges(ranges)));
      tell(records().at(-1));
      tell(bad.name);
    `) as [Record<string, unknown>, unknown, string];
    expect(error).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", part: 2, message: text(`1 of 7 ranges in GPU memory do not hold the verified tensor: ${tensor} (part 2)`) });
    const { ranges } = error["foreign"] as { ranges: { part: number; tensor: string; verdict: string }[] };
    expect(ranges.filter(({ verdict }) => verdict !== "resident")).toMatchObject([{ part: 2, tensor }]);
    expect(record).toMatchObject({ type: "IntegrityViolation", sev: "CRITICAL", details: { field: tensor, part: 2, expected: DIGEST, actual: DIGEST } });
  });

  test("is refused where a range is wrong or its file was changed, each with its part", async () => {
    const said = await onTheDouble(`${RANGES}
      const told = async (list) => { const { code, part = null } = await caught(model.verifyRanges(list)); tell([code, part]); };
      const [range] = of(2, 1).map(rangeOf);
      await told([{ ...range, bytes: 1 }]);
      await told([{ ...range, pointer: 4096n }]);
      await told([{ ...range, tensor: "nobody" }]);
      const bytes = Buffer.from(parts[2].bytes);
      bytes[bytes.length - 1] ^= 1;
      writeFileSync(parts[2].path, bytes);
      await told(of(3, 1).map(rangeOf));
      tell(records().at(-1));
    `);
    expect(said.slice(0, 4)).toEqual([["VRAM_BAD_RANGE", 2], ["VRAM_BAD_RANGE", 2], ["VRAM_BAD_RANGE", null], ["VRAM_FILE_CHANGED", 3]]);
    expect(said[4]).toMatchObject({ type: "IntegrityViolation", sev: "CRITICAL", action: "vram.verifyRanges", details: { part: 3 } });
  });
});
