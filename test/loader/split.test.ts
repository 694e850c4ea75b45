/** Split models: opened by their first part, verified and judged as one, handed over to engines by names that lead to the descriptors. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Model } from "../../lib/index.ts";
import { i32, string, u16, u32, writeGguf } from "../fixtures/gguf-writer.mjs";
import type { Spec } from "../fixtures/gguf-writer.mjs";
import { tinyModelSpec } from "../fixtures/models.mjs";
import { partName, setDigest, splitSpecs, writeSet } from "../fixtures/split-models.mjs";
import type { WrittenPart } from "../fixtures/split-models.mjs";
import { folder, gate, refusal } from "../support/gate.ts";
import type { Gate } from "../support/gate.ts";

const COUNT = 3;
const FIRST = partName("m", 0, COUNT);
const SPECS = splitSpecs(tinyModelSpec(), COUNT);

interface Split extends Gate {
  readonly parts: WrittenPart[];
  readonly digests: Record<string, string>;
  readonly whole: string;
}

async function split(specs: readonly Spec[] = SPECS, options: Parameters<typeof gate>[0] = {}): Promise<Split> {
  const made = await gate(options);
  const parts = writeSet(made.root, "m", specs);
  return { ...made, parts, digests: digestsOf(parts), whole: setDigest(parts.map(({ sha256 }) => sha256)) };
}

function digestsOf(parts: readonly WrittenPart[]): Record<string, string> {
  return Object.fromEntries(parts.map(({ file, sha256 }) => [file, sha256]));
}

/** The specs with one of them changed. */
function changed(index: number, change: (spec: Spec) => Spec): Spec[] {
  return SPECS.map((spec, at) => (at === index ? change(spec) : spec));
}

function withPairs(spec: Spec, pairs: NonNullable<Spec["metadata"]>): Spec {
  const keys = new Set(pairs.map(([key]) => key));
  return { ...spec, metadata: [...(spec.metadata ?? []).filter(([key]) => !keys.has(key)), ...pairs] };
}

function linksOf(model: Model): string {
  return dirname(model.path);
}

describe("a set", () => {
  test("is one model: digests, sizes, metadata of the first part, tensors of all", async () => {
    const { loader, parts, digests, whole, root } = await split();
    const model = await loader.load(FIRST, { sha256: digests });
    expect(model).toMatchObject({ sha256: whole, blake3: undefined, digestExpected: true, digestFrom: "caller", guard: "leased" });
    expect(model.sizeBytes).toBe(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
    expect(model.parts.map(({ sha256, sizeBytes, guard }) => ({ sha256, sizeBytes, guard }))).toEqual(
      parts.map(({ sha256, bytes }) => ({ sha256, sizeBytes: bytes.length, guard: "leased" })));
    expect(model.gguf.metadata("general.architecture")).toBe("llama");
    const { tensors } = tinyModelSpec();
    expect([...model.gguf.tensors].map(({ name }) => name)).toEqual(tensors.map(({ name }) => name));
    expect(model.gguf.tensorCount).toBe(tensors.length);
    expect(new Set([...model.gguf.tensors].map(({ part }) => part))).toEqual(new Set([1, 2, 3]));
    const shell = 'sha256sum m-*.gguf | cut -c1-64 | sha256sum | cut -c1-64';
    expect(execFileSync("sh", ["-c", shell], { cwd: root, encoding: "utf8" }).trim()).toBe(whole);
  });

  test("is named in one record with its parts, and in one of its unloading", async () => {
    const { loader, records, parts, whole, metric } = await split();
    const model = await loader.load(FIRST);
    await model[Symbol.asyncDispose]();
    const [loaded, unloaded, ...more] = (await records()).filter(({ type }) => type.startsWith("Model"));
    expect(more).toEqual([]);
    expect(loaded).toMatchObject({
      type: "ModelLoaded", target: { path: FIRST, sha256: whole, sizeBytes: model.sizeBytes, architecture: "llama" },
      details: { parts: 3, partDigests1: parts.map(({ sha256 }) => sha256).join(" "), guard: "leased" },
    });
    expect(loaded?.target).not.toHaveProperty("ino");
    expect(unloaded).toMatchObject({ type: "ModelUnloaded", target: { path: FIRST, sha256: whole } });
    expect(await metric("model_loader_decisions_total", { action: "load", code: "OK" })).toBe(1);
    expect(await metric("model_loader_models_open")).toBe(0);
    expect(await metric("model_loader_bytes_hashed_total")).toBe(model.sizeBytes);
  });

  test("of fifty parts has a record that its schema knows, with the digests of the first forty-two", async () => {
    const { metadata, tensors } = tinyModelSpec();
    const many = [...tensors, ...Array.from({ length: 50 }, (_, index) => ({ name: `more.${index}`, type: "i8" as const, shape: [32] }))];
    const { loader, records, parts, whole } = await split(splitSpecs({ metadata, tensors: many }, 50));
    const model = await loader.load(partName("m", 0, 50));
    expect(model.parts).toHaveLength(50);
    const { details = {}, target } = (await records()).at(-1) ?? {};
    const named = [1, 2, 3, 4, 5, 6].map((row) => details[`partDigests${row}`]).join(" ").split(" ");
    expect(named).toEqual(parts.slice(0, 42).map(({ sha256 }) => sha256));
    expect(target).toMatchObject({ sha256: whole });
  });

  test("counts its parts from 1, as their names do: in findings, tensors and refusals", async () => {
    const { loader, parts } = await split();
    for (const at of [0, 2]) appendFileSync(parts[at]?.path ?? "", Buffer.alloc(40));
    const model = await loader.load(FIRST);
    expect(model.gguf.findings.map(({ part }) => part)).toEqual([1, 3]);
    const last = [...model.gguf.tensors].at(-1);
    expect(last?.part).toBe(3);
    expect(model.tensor(last?.name ?? "")?.part).toBe(3);
    expect(await model.tensor(last?.name ?? "")?.read()).toEqual(parts[2]?.bytes.subarray(last?.offset, (last?.offset ?? 0) + (last?.bytes ?? 0)));
    expect(await refusal(loader.load(FIRST, { sha256: { ...digestsOf(parts) } }))).toMatchObject({ code: "DIGEST_MISMATCH", part: 1 });
  });

  test("whose first part has metadata alone is one too", async () => {
    const { loader } = await split(splitSpecs(tinyModelSpec(), COUNT, { bare: true }));
    const model = await loader.load(FIRST);
    expect([...model.gguf.tensors][0]?.part).toBe(2);
  });

  test("may lie in a folder, behind links inside the root, and be named absolutely", async () => {
    const { loader, root, parts } = await split();
    mkdirSync(join(root, "blobs"));
    mkdirSync(join(root, "snapshots"));
    for (const [index, { path, file }] of parts.entries()) {
      renameSync(path, join(root, "blobs", String(index)));
      symlinkSync(join("..", "blobs", String(index)), join(root, "snapshots", file));
    }
    const model = await loader.load(join(root, "snapshots", FIRST));
    expect(basename(model.path)).toBe(FIRST);
  });

  test("can be promised by one digest", async () => {
    const { loader, records, whole, parts } = await split(SPECS, { requireDigest: true });
    expect(await loader.load(FIRST, { sha256: whole })).toMatchObject({ digestExpected: true, sha256: whole });
    expect((await records()).at(-1)).toMatchObject({ target: { expectedSha256: whole, expectedFrom: "caller" } });
    const error = await refusal(loader.load(FIRST, { sha256: parts[0]?.sha256 }));
    expect(error).toMatchObject({ code: "DIGEST_MISMATCH", expected: parts[0]?.sha256, actual: whole });
    expect(error.part).toBeUndefined();
    expect(error.message).toContain("digest of the set");
    expect(await refusal(loader.load(FIRST))).toMatchObject({ code: "DIGEST_REQUIRED", part: 1 });
  });

  test("with records is proven by tiles, part by part, and so is what is left of it after one part's record went", async () => {
    const { metadata } = tinyModelSpec();
    const tensors = [0, 1, 2].map((index) => ({ name: `t.${index}`, type: "i8" as const, shape: [1_200_000], data: randomBytes(1_200_000) }));
    const records = { folder: join(await folder(), "records"), key: randomBytes(32) };
    const { loader, digests, parts, metric } = await split(splitSpecs({ metadata, tensors }, COUNT), { records });
    const first = await loader.load(FIRST, { sha256: digests });
    expect(first.proof.by).toBe("sha256");
    expect(first.parts.every(({ blake3 }) => blake3 !== undefined)).toBe(true);
    const second = await loader.load(FIRST, { sha256: digests });
    expect(second.parts.map(({ proof }) => proof.by)).toEqual(["tiles", "tiles", "tiles"]);
    expect(second).toMatchObject({ sha256: first.sha256, proof: { by: "tiles" } });
    expect(await metric("model_loader_records_used_total")).toBe(3);
    rmSync(join(records.folder, `${parts[1]?.sha256 ?? ""}.record`));
    const third = await loader.load(FIRST, { sha256: digests });
    expect(third.parts.map(({ proof }) => proof.by)).toEqual(["tiles", "sha256", "tiles"]);
    expect(third.proof.by).toBe("sha256");
  });

  test("reports progress over all parts once", async () => {
    const { loader } = await split();
    const seen: number[] = [];
    const model = await loader.load(FIRST, { onProgress: ({ bytesDone, bytesTotal }) => { seen.push(bytesDone, bytesTotal); } });
    expect(seen.slice(-2)).toEqual([model.sizeBytes, model.sizeBytes]);
  });
});

describe("the folder of links", () => {
  test("holds the verified parts under their names, whatever became of the paths, and goes with the model", async () => {
    const { loader, parts } = await split();
    const model = await loader.load(FIRST);
    for (const { path } of parts) {
      renameSync(path, `${path}.old`);
      writeFileSync(path, "evil");
    }
    expect(readdirSync(linksOf(model)).sort()).toEqual(parts.map(({ file }) => file));
    for (const { file, bytes } of parts) expect(readFileSync(join(linksOf(model), file)).equals(bytes)).toBe(true);
    const links = linksOf(model);
    await model[Symbol.asyncDispose]();
    expect(existsSync(links)).toBe(false);
    expect(() => model.path).toThrow("disposed");
    expect(() => model.parts[1]?.fd).toThrow("disposed");
  });

  test("goes with the loader, and after a refusal there is none", async () => {
    const { loader } = await split();
    const model = await loader.load(FIRST);
    const links = linksOf(model);
    await loader[Symbol.asyncDispose]();
    expect(existsSync(links)).toBe(false);
  });

  test("of a name that is no text has names that engines can be given", async () => {
    const { loader, root, parts } = await split();
    const name = (index: number): Buffer => Buffer.from(`${root}/\xff-${partName("", index, COUNT).slice(1)}`, "latin1");
    for (const [index, { path }] of parts.entries()) copyFileSync(path, name(index));
    const model = await loader.load(name(0));
    expect(basename(model.path)).toBe(partName("model", 0, COUNT));
    expect(readdirSync(linksOf(model))).toHaveLength(COUNT);
  });
});

describe("reading", () => {
  test("a tensor gives the bytes of whichever part it is in", async () => {
    const { loader, parts } = await split();
    const model = await loader.load(FIRST);
    for (const { name, part, offset, bytes } of model.gguf.tensors) {
      const expected = parts[part - 1]?.bytes.subarray(offset, offset + bytes);
      expect((await model.tensor(name)?.read())?.equals(expected ?? Buffer.alloc(0)), name).toBe(true);
    }
    expect((await model.parts[2]?.read(0, 4))?.toString()).toBe("GGUF");
  });

  test("the set as one file is refused with the way that works", async () => {
    const { loader } = await split();
    const model = await loader.load(FIRST);
    await expect(model.read(0, 4)).rejects.toThrow("model.parts[i]");
  });

  test("a part that was changed in place is refused and recorded with its number", async () => {
    const { loader, records, parts } = await split();
    const model = await loader.load(FIRST, { guard: "pinned" });
    const { path, bytes, file } = parts[1] ?? expect.fail("no part");
    const evil = Buffer.from(bytes);
    evil[evil.length - 1] = (evil.at(-1) ?? 0) ^ 1;
    writeFileSync(path, evil);
    expect(await refusal(model.parts[1]?.read(0, 4) ?? Promise.resolve())).toMatchObject({ code: "CHANGED_AFTER_CHECK" });
    expect((await records()).at(-1)).toMatchObject({ type: "IntegrityViolation", action: "model.read", target: { path: file }, details: { part: 2 } });
    expect((await model.parts[0]?.read(0, 4))?.toString()).toBe("GGUF");
  });
});

describe("is refused as a whole", () => {
  interface Bad {
    readonly what: string;
    readonly specs?: readonly Spec[];
    readonly disturb?: (made: Split) => void;
    readonly expected: Record<string, unknown>;
    readonly event?: string;
  }
  const remove = (index: number) => ({ parts }: Split): void => { rmSync(parts[index]?.path ?? ""); };
  const bad: Bad[] = [
    { what: "without its first part", disturb: remove(0), expected: { code: "NOT_FOUND", part: 1 } },
    { what: "without its last part", disturb: remove(2), expected: { code: "NOT_FOUND", part: 3 }, event: "ModelLoadFailed" },
    { what: "with a part twice", disturb: ({ parts }) => { copyFileSync(parts[1]?.path ?? "", parts[2]?.path ?? ""); }, expected: { code: "GGUF_BAD_SPLIT", part: 3, field: "split.no" }, event: "MalformedModelRejected" },
    {
      what: "with its parts out of order",
      disturb: ({ parts }) => { writeFileSync(parts[1]?.path ?? "", parts[2]?.bytes ?? ""); writeFileSync(parts[2]?.path ?? "", parts[1]?.bytes ?? ""); },
      expected: { code: "GGUF_BAD_SPLIT", part: 2, field: "split.no" },
    },
    { what: "with a part of a larger set", specs: changed(1, (spec) => withPairs(spec, [["split.count", u16(4)]])), expected: { code: "GGUF_BAD_SPLIT", part: 2, field: "split.count" } },
    { what: "with a part that is none", specs: changed(1, (spec) => ({ ...spec, metadata: [] })), expected: { code: "GGUF_BAD_SPLIT", part: 2, field: "split.count" } },
    { what: "with a part of another model", specs: changed(2, (spec) => withPairs(spec, [["general.architecture", string("gemma")]])), expected: { code: "GGUF_BAD_SPLIT", part: 3, field: "general.architecture" } },
    { what: "with metadata where no engine looks", specs: changed(2, (spec) => withPairs(spec, [["llama.block_count_", u32(9)]])), expected: { code: "GGUF_BAD_SPLIT", part: 3, field: "llama.block_count_" } },
    { what: "with another total in one part", specs: changed(1, (spec) => withPairs(spec, [["split.tensors.count", i32(22)]])), expected: { code: "GGUF_BAD_SPLIT", part: 2, field: "split.tensors.count" } },
    { what: "with fewer tensors than promised", specs: changed(2, (spec) => ({ ...spec, tensors: spec.tensors?.slice(1) ?? [] })), expected: { code: "GGUF_BAD_SPLIT", part: 1, field: "split.tensors.count" } },
    {
      what: "with a tensor in two parts",
      specs: changed(2, (spec) => ({ ...spec, tensors: [...(spec.tensors ?? []).slice(1), { name: "token_embd.weight", type: "f32" as const, shape: [4] }] })),
      expected: { code: "GGUF_DUPLICATE_TENSOR", part: 3, field: "token_embd.weight" },
    },
    { what: "with a key of a type that aborts engines", specs: changed(1, (spec) => withPairs(spec, [["split.no", u32(1)]])), expected: { code: "GGUF_BAD_SPLIT", part: 2, field: "split.no" } },
    {
      what: "with metadata that abort an engine on the tensors of another part",
      specs: changed(0, (spec) => withPairs({ ...spec, tensors: [] }, [["llama.attention.head_count", u32(0)], ["split.tensors.count", i32(SPECS.slice(1).reduce((sum, { tensors = [] }) => sum + tensors.length, 0))]]))
        .map((spec, index) => (index === 0 ? spec : withPairs(spec, [["split.tensors.count", i32(SPECS.slice(1).reduce((sum, { tensors = [] }) => sum + tensors.length, 0))]]))),
      expected: { code: "GGUF_ENGINE_UNSAFE", part: 1 },
    },
    { what: "with a part that is no model", disturb: ({ parts }) => { writeFileSync(parts[1]?.path ?? "", "PK\u0003\u0004"); }, expected: { code: "GGUF_NOT_GGUF", part: 2, offset: 0 } },
    { what: "with a part that is a folder", disturb: ({ parts }) => { rmSync(parts[1]?.path ?? ""); mkdirSync(parts[1]?.path ?? ""); }, expected: { code: "NOT_REGULAR_FILE", part: 2 } },
    {
      what: "with a part that leads out of the root",
      disturb: ({ parts, folder: home }) => {
        const { path, bytes } = parts[1] ?? expect.fail("no part");
        rmSync(path);
        writeFileSync(join(home, "outside"), bytes);
        symlinkSync("../outside", path);
      },
      expected: { code: "PATH_TRAVERSAL", part: 2, severity: "CRITICAL" }, event: "PathTraversalAttempt",
    },
  ];

  test.each(bad)("$what", async ({ specs, disturb, expected, event }) => {
    const made = await split(specs);
    disturb?.(made);
    const before = readdirSync(dirname(made.folder)).filter((name) => name.startsWith("model-loader-set-"));
    const error = await refusal(made.loader.load(FIRST));
    expect(error).toMatchObject(expected);
    if (error.part !== undefined) expect(error.message).toContain(`part ${error.part} of 3: `);
    const record = (await made.records()).at(-1);
    expect(record).toMatchObject({ reason: expected["code"], target: { path: partName("m", (error.part ?? 1) - 1, COUNT) }, details: { part: error.part } });
    if (event !== undefined) expect(record?.type).toBe(event);
    const after = readdirSync(dirname(made.folder)).filter((name) => name.startsWith("model-loader-set-") && !before.includes(name));
    // Other tests hold sets of their own meanwhile: none of theirs leads to this one's files.
    expect(after.filter((name) => leadsInto(join(dirname(made.folder), name), made.root))).toEqual([]);
  });

  test("when one part was replaced between promise and load", async () => {
    const { loader, records, parts, digests } = await split();
    const { path, bytes, sha256, file } = parts[2] ?? expect.fail("no part");
    const evil = Buffer.from(bytes);
    evil[evil.length - 40] = (evil.at(-40) ?? 0) ^ 1;
    writeFileSync(`${path}.new`, evil);
    renameSync(`${path}.new`, path);
    const error = await refusal(loader.load(FIRST, { sha256: digests }));
    expect(error).toMatchObject({ code: "DIGEST_MISMATCH", part: 3, expected: sha256, severity: "CRITICAL" });
    expect((await records()).at(-1)).toMatchObject({ type: "IntegrityViolation", target: { path: file, expectedSha256: sha256, sha256: error.actual }, details: { part: 3 } });
  });

  test("when all parts together are larger than maxBytes", async () => {
    const { loader, parts } = await split();
    const total = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    await expect(loader.load(FIRST, { maxBytes: total })).resolves.toBeDefined();
    expect(await refusal(loader.load(FIRST, { maxBytes: total - 1 }))).toMatchObject({ code: "TOO_LARGE", actual: String(total) });
  });

  test("when one part has a lesser guard than is demanded; without the demand the weakest stands for all", async () => {
    const { loader, records, parts } = await split();
    const fd = openSync(parts[1]?.path ?? "", "r+");
    try {
      expect(await refusal(loader.load(FIRST, { minGuard: "leased" }))).toMatchObject({ code: "GUARD_UNAVAILABLE", part: 2, expected: "leased", actual: "pinned" });
      const model = await loader.load(FIRST);
      expect(model.guard).toBe("pinned");
      expect(model.guardBroken).toBe(false);
      expect(model.guardShortfall).toMatch(/^part 2: .*EAGAIN/u);
      expect(model.parts.map(({ guard }) => guard)).toEqual(["leased", "pinned", "leased"]);
      expect((await records()).at(-1)).toMatchObject({ details: { guard: "pinned", partGuards: "leased pinned leased" } });
    } finally {
      closeSync(fd);
    }
  });

  test("when the name promises more parts than any model has", async () => {
    const { loader } = await split();
    expect(await refusal(loader.load("m-00001-of-01025.gguf"))).toMatchObject({ code: "GGUF_LIMIT_EXCEEDED" });
    expect(await refusal(loader.load("m-00001-of-65535.gguf", { sha256: { x: "0".repeat(64) } }))).toMatchObject({ code: "NOT_FOUND" });
  });

  test("when digests by name lack a part, or the path leaves the root besides", async () => {
    const { loader, digests } = await split();
    const { [partName("m", 1, COUNT)]: omitted, ...others } = digests;
    expect(omitted).toBeDefined();
    expect(await refusal(loader.load(FIRST, { sha256: others }))).toMatchObject({ code: "DIGEST_REQUIRED", field: partName("m", 1, COUNT) });
    expect(await refusal(loader.load(`../${FIRST}`, { sha256: others }))).toMatchObject({ code: "PATH_TRAVERSAL" });
  });

  test("when the disposal of the loader comes first", async () => {
    const { loader } = await split();
    const loading = refusal(loader.load(FIRST));
    await loader[Symbol.asyncDispose]();
    expect(await loading).toMatchObject({ code: "ABORTED" });
  });
});

function leadsInto(links: string, root: string): boolean {
  try {
    return readdirSync(links).some((name) => realpathSync(join(links, name)).startsWith(root));
  } catch {
    return false;
  }
}

describe("a guard that breaks on one part", () => {
  test("breaks for the whole, once", async () => {
    const { loader, records, parts, metric } = await split();
    const model = await loader.load(FIRST);
    expect(model.guard).toBe("leased");
    closeSync(openSync(parts[2]?.path ?? "", "r+"));
    await expect.poll(() => model.guardSignal.aborted, { timeout: 10_000 }).toBe(true);
    expect(model.guard).toBe("pinned");
    expect(model.parts.map(({ guard }) => guard)).toEqual(["leased", "leased", "pinned"]);
    await model[Symbol.asyncDispose]();
    expect((await records()).filter(({ type }) => type === "GuardBroken")).toHaveLength(1);
    expect(await metric("model_loader_guard_breaks_total")).toBe(1);
  });
});

describe("a part alone", () => {
  test("is refused, and is told how to load the set", async () => {
    const { loader } = await split();
    const error = await refusal(loader.load(partName("m", 1, COUNT)));
    expect(error).toMatchObject({ code: "GGUF_BAD_SPLIT", field: "split.count" });
    expect(error.message).toContain("load the set by its first part");
  });

  test("under another name is refused as well: no engine could find the others", async () => {
    const { loader, root, parts } = await split();
    copyFileSync(parts[0]?.path ?? "", join(root, "m.gguf"));
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({ code: "GGUF_BAD_SPLIT" });
    await expect(loader.load("m.gguf", { engineSafety: false })).resolves.toMatchObject({ parts: { length: 1 } });
  });

  test("can be inspected", async () => {
    const { loader } = await split();
    expect((await loader.inspect(partName("m", 2, COUNT))).gguf.split).toMatchObject({ index: 2, count: 3 });
  });
});

test("a set of one is a whole file", async () => {
  const { loader, root } = await gate();
  writeGguf(tinyModelSpec()).save(join(root, "m-00001-of-00001.gguf"));
  const model = await loader.load("m-00001-of-00001.gguf");
  expect(model.path).toMatch(/^\/proc\/self\/fd\/\d+$/u);
  expect(model.parts).toHaveLength(1);
});
