/** Where the digest comes from: files of digests, caches in which a name is a digest, and what happens when they lie, lack or are absurd. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import type { DigestFrom } from "../../lib/index.ts";
import { parseManifest } from "../../lib/digest-source/manifest.ts";
import { manifestPaths, parseOllamaManifest } from "../../lib/digest-source/ollama.ts";
import { BadSource } from "../../lib/digest-source/source.ts";
import { parseSums } from "../../lib/digest-source/sums.ts";
import { tinyModel, tinyModelSpec } from "../fixtures/models.mjs";
import { partName, setDigest, splitSpecs, writeSet } from "../fixtures/split-models.mjs";
import { gate, refusal } from "../support/gate.ts";
import type { Gate } from "../support/gate.ts";

const bytes = tinyModel().bytes();
const sha256 = digest(bytes);
const OTHER = "5".repeat(64);

function digest(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

async function withModel(name = "m.gguf", options: Parameters<typeof gate>[0] = {}): Promise<Gate> {
  const made = await gate({ requireDigest: true, ...options });
  const path = join(made.root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return made;
}

/** As huggingface_hub lays out its cache: a blob under its digest, and a link to it for each revision. */
function cacheBlob(root: string, file: string, content: Uint8Array, etag: string): string {
  const repository = "models--somebody--tiny-GGUF";
  const snapshot = join(root, repository, "snapshots", "0123456789abcdef0123456789abcdef01234567", file);
  mkdirSync(join(root, repository, "blobs"), { recursive: true });
  mkdirSync(join(root, repository, "refs"), { recursive: true });
  mkdirSync(dirname(snapshot), { recursive: true });
  writeFileSync(join(root, repository, "refs", "main"), "0123456789abcdef0123456789abcdef01234567");
  writeFileSync(join(root, repository, "blobs", etag), content);
  symlinkSync(join("../".repeat(file.split("/").length + 1), "blobs", etag), snapshot);
  return snapshot.slice(root.length + 1);
}

/** As `ollama pull` leaves a model: its layers as blobs, and a manifest that names them. */
function storeModel(root: string, manifest: string, layers: readonly { mediaType: string; content: Uint8Array; digest?: string }[]): void {
  mkdirSync(join(root, "blobs"), { recursive: true });
  mkdirSync(dirname(join(root, manifest)), { recursive: true });
  const descriptors = layers.map(({ mediaType, content, digest: claimed }) => {
    const hex = claimed ?? digest(content);
    writeFileSync(join(root, "blobs", `sha256-${hex}`), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  });
  const config = { mediaType: "application/vnd.docker.container.image.v1+json", digest: `sha256:${OTHER}`, size: 2 };
  writeFileSync(join(root, manifest), JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json", config, layers: descriptors }));
}

/** As newer versions name a model: by a link to its manifest, which is a blob like any other. */
function linkManifest(root: string, manifest: string, content: Buffer): void {
  const blob = `sha256-${digest(content)}`;
  writeFileSync(join(root, "blobs", blob), content);
  mkdirSync(dirname(join(root, manifest)), { recursive: true });
  symlinkSync(join("../".repeat(manifest.split("/").length - 1), "blobs", blob), join(root, manifest));
}

const MODEL = "application/vnd.ollama.image.model";
const LLAMA = "manifests/registry.ollama.ai/library/llama3/8b";

describe("SHA256SUMS", () => {
  test("as sha256sum itself writes it promises the model beside it", async () => {
    const { root, loader, records } = await withModel();
    writeFileSync(join(root, "SHA256SUMS"), execFileSync("sha256sum", ["--binary", "m.gguf"], { cwd: root }));
    const model = await loader.load("m.gguf", { digestFrom: "sha256sums" });
    expect(model).toMatchObject({ digestExpected: true, digestFrom: "sha256sums", sha256 });
    expect((await records()).at(-1)).toMatchObject({
      type: "ModelLoaded", target: { expectedSha256: sha256, expectedFrom: "sha256sums" }, details: { digestFrom: "sha256sums", digestFile: "SHA256SUMS" },
    });
  });

  test("with names that have to be escaped, and with bytes that are no text", async () => {
    const { root, loader } = await withModel();
    const names = ["back\\slash.gguf", "line\nfeed.gguf", "return\r.gguf", "ünï.gguf"].map((name) => Buffer.from(name)).concat(Buffer.from("\xff.gguf", "latin1"));
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), bytes);
    writeFileSync(join(root, "SHA256SUMS"), execFileSync("sh", ["-c", "sha256sum *.gguf"], { cwd: root }));
    for (const name of names) expect(await loader.load(name, { digestFrom: "sha256sums" })).toMatchObject({ digestFrom: "sha256sums" });
  });

  test("above the model is named, and names the model from where it lies", async () => {
    const { root, loader, records } = await withModel("sub/deep/m.gguf");
    writeFileSync(join(root, "sub", "SUMS"), `${sha256}  ./deep/m.gguf\n`);
    const digestFrom = { sha256sums: "sub/SUMS" };
    expect(await loader.load("sub/deep/m.gguf", { digestFrom })).toMatchObject({ digestFrom: "sha256sums" });
    expect(await loader.load(join(root, "sub/deep/../deep/m.gguf"), { digestFrom })).toMatchObject({ digestFrom: "sha256sums" });
    expect((await records()).at(-1)).toMatchObject({ details: { digestFile: "sub/SUMS" } });
    writeFileSync(join(root, "sub", "SUMS"), `${sha256}  ${join(root, "sub/deep/m.gguf")}\n`);
    expect(await loader.load("sub/deep/m.gguf", { digestFrom })).toMatchObject({ digestFrom: "sha256sums" });
  });

  test("that names another file of the name elsewhere does not promise this one", async () => {
    const { root, loader } = await withModel("sub/m.gguf");
    writeFileSync(join(root, "SHA256SUMS"), `${sha256}  m.gguf\n`);
    const error = await refusal(loader.load("sub/m.gguf", { digestFrom: { sha256sums: "SHA256SUMS" } }));
    expect(error).toMatchObject({ code: "DIGEST_REQUIRED" });
    expect(error.message).toContain("sha256sums (SHA256SUMS)");
  });

  test("that promises another file refuses this one", async () => {
    const { root, loader, records } = await withModel();
    writeFileSync(join(root, "SHA256SUMS"), `${OTHER}  m.gguf\n`);
    expect(await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }))).toMatchObject({ code: "DIGEST_MISMATCH", expected: OTHER, actual: sha256 });
    expect((await records()).at(-1)).toMatchObject({ type: "IntegrityViolation", target: { expectedSha256: OTHER, expectedFrom: "sha256sums" }, details: { digestFile: "SHA256SUMS" } });
  });

  test("that is missing or lacks the model promises nothing", async () => {
    const { root, loader } = await withModel();
    expect(await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }))).toMatchObject({ code: "DIGEST_REQUIRED" });
    const model = await loader.load("m.gguf", { digestFrom: "sha256sums", requireDigest: false });
    expect(model).toMatchObject({ digestExpected: false, digestFrom: undefined });
    writeFileSync(join(root, "SHA256SUMS"), `${sha256}  other.gguf\n`);
    expect(await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }))).toMatchObject({ code: "DIGEST_REQUIRED" });
  });

  test("gives each part of a set its digest, and lacks one of them or not", async () => {
    const { root, loader, records } = await gate({ requireDigest: true, digestFrom: "sha256sums" });
    const parts = writeSet(root, "s", splitSpecs(tinyModelSpec(), 3));
    const lines = parts.map(({ sha256: hex, file }) => `${hex}  ${file}\n`);
    writeFileSync(join(root, "SHA256SUMS"), lines.join(""));
    const whole = setDigest(parts.map((part) => part.sha256));
    expect(await loader.load(partName("s", 0, 3))).toMatchObject({ digestExpected: true, digestFrom: "sha256sums", sha256: whole });
    expect((await records()).at(-1)).toMatchObject({ target: { expectedSha256: whole, expectedFrom: "sha256sums" } });
    writeFileSync(join(root, "SHA256SUMS"), lines.slice(0, 2).join(""));
    expect(await refusal(loader.load(partName("s", 0, 3)))).toMatchObject({ code: "DIGEST_REQUIRED", part: 3 });
    writeFileSync(join(root, "SHA256SUMS"), [...lines.slice(0, 2), `${OTHER}  ${parts[2]?.file ?? ""}\n`].join(""));
    expect(await refusal(loader.load(partName("s", 0, 3)))).toMatchObject({ code: "DIGEST_MISMATCH", part: 3, expected: OTHER });
    expect(await refusal(loader.load(partName("s", 0, 3), { sha256: whole }))).toMatchObject({ code: "DIGEST_CONFLICT", expected: whole });
    const named = Object.fromEntries(parts.map(({ file, sha256: hex }) => [file, hex]));
    expect(await refusal(loader.load(partName("s", 0, 3), { sha256: named }))).toMatchObject({ code: "DIGEST_CONFLICT", part: 3, actual: OTHER });
  });

  const malformed: [what: string, content: string | Buffer, message: string, offset: number | undefined][] = [
    ["a line of another shape", `${sha256}  ok.gguf\nhello\n`, "line 2", 74],
    ["an empty line", `${sha256}  ok.gguf\n\n`, "line 2", 74],
    ["one blank too few", `${sha256} m.gguf\n`, "line 1", 0],
    ["a digest too short", `${"5".repeat(63)}  m.gguf\n`, "line 1", 0],
    ["a digest too long", `${"5".repeat(128)}  m.gguf\n`, "line 1", 0],
    ["no name", `${sha256}  \n`, "line 1", 0],
    ["a NUL byte in the name", `${sha256}  m\0.gguf\n`, "line 1", 0],
    ["line ends of another system", `${sha256}  m.gguf\r\n`, "carriage return", 0],
    ["a backslash that escapes nothing", `\\${sha256}  m\\x.gguf\n`, "backslash", 0],
    ["a backslash at the end", `\\${sha256}  m.gguf\\\n`, "backslash", 0],
    ["two digests for one file", `${sha256}  m.gguf\n${OTHER} *./m.gguf\n`, "line 1 and line 2", undefined],
    ["an armoured signature", "-----BEGIN PGP SIGNED MESSAGE-----\n", "line 1", 0],
    ["a million letters", "x".repeat(2 ** 20), "line 1", 0],
    ["more than a mebibyte", Buffer.alloc(2 ** 20 + 1), "more than the 1048576", undefined],
  ];
  test.each(malformed)("with %s is refused", async (_, content, message, offset) => {
    const { root, loader, records } = await withModel();
    writeFileSync(join(root, "SHA256SUMS"), content);
    const error = await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }));
    expect(error).toMatchObject({ code: "DIGEST_SOURCE_INVALID", severity: "HIGH", field: "SHA256SUMS" });
    expect(error.offset).toBe(offset);
    expect(error.message).toContain(message);
    expect((await records()).at(-1)).toMatchObject({ type: "ModelLoadFailed", sev: "HIGH", outcome: "denied", reason: "DIGEST_SOURCE_INVALID" });
  });

  test("of 4 GB, a folder, a FIFO or one that may not be read is refused unread", async () => {
    const { root, loader } = await withModel();
    const sums = join(root, "SHA256SUMS");
    writeFileSync(sums, "");
    truncateSync(sums, 4e9);
    const kinds: [string, () => void][] = [
      ["4000000000 bytes", () => undefined],
      ["a folder", () => { renameSync(sums, `${sums}.old`); mkdirSync(sums); }],
      ["a FIFO", () => { renameSync(sums, `${sums}.older`); execFileSync("mkfifo", [sums]); }],
    ];
    for (const [message, make] of kinds) {
      make();
      const error = await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }));
      expect(error).toMatchObject({ code: "DIGEST_SOURCE_INVALID" });
      expect(error.message).toContain(message);
    }
  });

  test.skipIf(process.getuid?.() === 0)("that may not be read is refused, not passed over", async () => {
    const { root, loader } = await withModel("m.gguf", { requireDigest: false });
    writeFileSync(join(root, "SHA256SUMS"), `${sha256}  m.gguf\n`);
    chmodSync(join(root, "SHA256SUMS"), 0);
    expect(await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }))).toMatchObject({ code: "DIGEST_SOURCE_INVALID" });
  });

  test("that leads out of the root is an escape, and so is a model beside such a file", async () => {
    const { root, folder, loader } = await withModel();
    writeFileSync(join(folder, "sums"), `${sha256}  m.gguf\n`);
    symlinkSync("../sums", join(root, "SHA256SUMS"));
    expect(await refusal(loader.load("m.gguf", { digestFrom: "sha256sums" }))).toMatchObject({ code: "PATH_TRAVERSAL" });
    for (const path of ["../m.gguf", "/etc/passwd", "a/../../m.gguf"]) {
      for (const digestFrom of ["sha256sums", "huggingface", "ollama", { sha256sums: "none" }, { manifest: "none" }] satisfies DigestFrom[]) {
        expect(await refusal(loader.load(path, { digestFrom })), path).toMatchObject({ code: "PATH_TRAVERSAL", severity: "CRITICAL" });
      }
    }
  });

  test("is parsed line by line: comments, no line feed at the end, upper case, nothing at all", () => {
    const parsed = parseSums(Buffer.from(`# made by hand\n${sha256.toUpperCase()} *a b \n#x\n\\${OTHER}  c\\\\\\n\\r`));
    expect(parsed).toEqual([
      { name: "a b ", sha256, place: "line 2" },
      { name: "c\\\n\r", sha256: OTHER, place: "line 4" },
    ]);
    expect(parseSums(Buffer.alloc(0))).toEqual([]);
  });
});

describe("a promise by the caller", () => {
  test("that the source shares counts as the caller's, and names the source", async () => {
    const { root, loader, records } = await withModel();
    writeFileSync(join(root, "SHA256SUMS"), `${sha256}  m.gguf\n`);
    expect(await loader.load("m.gguf", { sha256, digestFrom: "sha256sums" })).toMatchObject({ digestFrom: "caller" });
    expect((await records()).at(-1)).toMatchObject({ target: { expectedFrom: "caller" }, details: { digestFrom: "sha256sums", digestFile: "SHA256SUMS" } });
  });

  test("that the source contradicts ends the call before the model is opened", async () => {
    const { root, loader, records } = await withModel();
    writeFileSync(join(root, "SHA256SUMS"), `${OTHER}  m.gguf\n`);
    const error = await refusal(loader.load("m.gguf", { sha256, digestFrom: "sha256sums" }));
    expect(error).toMatchObject({ code: "DIGEST_CONFLICT", severity: "CRITICAL", expected: sha256, actual: OTHER, retriable: false });
    expect((await records()).at(-1)).toMatchObject({ type: "IntegrityViolation", outcome: "denied", reason: "DIGEST_CONFLICT", details: { expected: sha256, actual: OTHER } });
  });

  test("stands where the source has none", async () => {
    const { loader } = await withModel();
    expect(await loader.load("m.gguf", { sha256, digestFrom: "sha256sums" })).toMatchObject({ digestFrom: "caller" });
  });

  test("by file name is one out of a catalogue", async () => {
    const { loader } = await withModel("sub/m.gguf");
    expect(await loader.load("sub/m.gguf", { sha256: { "m.gguf": sha256.toUpperCase(), "n.gguf": OTHER } })).toMatchObject({ digestFrom: "caller" });
    expect(await refusal(loader.load("sub/m.gguf", { sha256: { "n.gguf": OTHER } }))).toMatchObject({ code: "DIGEST_REQUIRED", field: "m.gguf" });
  });
});

describe("a manifest", () => {
  const manifest = (files: unknown): string => JSON.stringify({ version: 1, comment: "ours", files });

  test("promises the models that it names", async () => {
    const { root, loader, records } = await withModel("ünï/m.gguf");
    writeFileSync(join(root, "model-digests.json"), manifest([{ path: "ünï/m.gguf", sha256: sha256.toUpperCase(), sizeBytes: 5 }]));
    expect(await loader.load("ünï/m.gguf", { digestFrom: { manifest: "model-digests.json" } })).toMatchObject({ digestFrom: "manifest" });
    expect((await records()).at(-1)).toMatchObject({ details: { digestFrom: "manifest", digestFile: "model-digests.json" } });
    writeFileSync(join(root, "ünï", "model-digests.json"), manifest([{ path: "m.gguf", sha256 }]));
    expect(await loader.load("ünï/m.gguf", { digestFrom: "manifest" })).toMatchObject({ digestFrom: "manifest" });
  });

  test("can be the loader's own rule, which then stands in the policy's digest", async () => {
    const { root, records, loader } = await withModel("m.gguf", { digestFrom: "manifest" });
    writeFileSync(join(root, "model-digests.json"), manifest([{ path: "m.gguf", sha256 }]));
    await loader.load("m.gguf");
    await loader.load("m.gguf", { digestFrom: { manifest: "model-digests.json" } });
    const [one, other] = (await records()).filter(({ type }) => type === "ModelLoaded").map((record) => (record as unknown as { policy: { digest: string } }).policy.digest);
    expect(one).not.toBe(other);
  });

  const malformed: [what: string, content: string | Buffer, message: string][] = [
    ["no JSON", "{", "not JSON"],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22]), "not JSON"],
    ["a list", "[]", "not a JSON object"],
    ["null", "null", "not a JSON object"],
    ["another version", '{"version":2,"files":[]}', "version"],
    ["no version but a prototype's", '{"__proto__":{"version":1,"files":[]}}', "version"],
    ["no files", '{"version":1}', "files"],
    ["files that are none", manifest([null]), "files[0]"],
    ["no path", manifest([{ sha256 }]), "files[0].path"],
    ["an empty path", manifest([{ path: "", sha256 }]), "files[0].path"],
    ["a misspelt digest", manifest([{ path: "m.gguf", sha265: sha256 }]), "files[0].sha256"],
    ["a digest that is a number", manifest([{ path: "m.gguf", sha256: 5 }]), "files[0].sha256"],
    ["two digests for one file", manifest([{ path: "m.gguf", sha256 }, { path: "./m.gguf", sha256: OTHER }]), "files[0] and files[1]"],
    ["a million brackets", "[".repeat(1e6), "not JSON"],
  ];
  test.each(malformed)("that is %s is refused", async (_, content, message) => {
    const { root, loader } = await withModel();
    writeFileSync(join(root, "model-digests.json"), content);
    const error = await refusal(loader.load("m.gguf", { digestFrom: "manifest" }));
    expect(error).toMatchObject({ code: "DIGEST_SOURCE_INVALID", field: "model-digests.json" });
    expect(error.message).toContain(message);
  });

  test("throws nothing but what the loader expects", () => {
    for (const text of ["", "{}", '{"version":1,"files":{}}']) expect(() => parseManifest(Buffer.from(text))).toThrow(BadSource);
  });
});

describe("a cache of huggingface_hub", () => {
  test("promises a file by the name of its blob, in folders of the repository too", async () => {
    const { root, loader, records } = await gate({ requireDigest: true, digestFrom: "huggingface" });
    for (const file of ["tiny.gguf", "Q8_0/tiny.gguf"]) {
      const path = cacheBlob(root, file, bytes, sha256);
      expect(await loader.load(path)).toMatchObject({ digestFrom: "huggingface", sha256 });
      expect((await records()).at(-1)).toMatchObject({ target: { path, expectedFrom: "huggingface" }, details: { digestFile: `blobs/${sha256}` } });
    }
  });

  test("whose blob was changed is found out", async () => {
    const { root, loader } = await gate({ requireDigest: true, digestFrom: "huggingface" });
    const path = cacheBlob(root, "tiny.gguf", bytes, OTHER);
    expect(await refusal(loader.load(path))).toMatchObject({ code: "DIGEST_MISMATCH", expected: OTHER, actual: sha256 });
  });

  test.each([
    ["of git", "0123456789abcdef0123456789abcdef01234567"],
    ["in upper case", sha256.toUpperCase()],
    ["with more", `${sha256}.incomplete`],
  ])("has no digest in a name %s", async (_, etag) => {
    const { root, loader } = await gate({ requireDigest: true, digestFrom: "huggingface" });
    const path = cacheBlob(root, "tiny.gguf", bytes, etag);
    expect(await refusal(loader.load(path))).toMatchObject({ code: "DIGEST_REQUIRED" });
  });

  test("has none for a file that lies elsewhere under such a name", async () => {
    const { root, loader } = await gate({ requireDigest: true, digestFrom: "huggingface" });
    writeFileSync(join(root, sha256), bytes);
    expect(await refusal(loader.load(sha256))).toMatchObject({ code: "DIGEST_REQUIRED" });
    expect(await refusal(loader.load("missing.gguf"))).toMatchObject({ code: "NOT_FOUND" });
  });

  test("holds split models", async () => {
    const { root, loader } = await gate({ requireDigest: true, digestFrom: "huggingface" });
    const parts = writeSet(root, "s", splitSpecs(tinyModelSpec(), 3));
    const [first = ""] = parts.map(({ file, bytes: content, sha256: hex }) => cacheBlob(root, `Q8_0/${file}`, content, hex));
    const model = await loader.load(first);
    expect(model).toMatchObject({ digestExpected: true, digestFrom: "huggingface", parts: { length: 3 } });
    expect(basename(model.path)).toBe(partName("s", 0, 3));
  });
});

describe("an Ollama store", () => {
  test("finds a model by its name, and promises it by its blob's", async () => {
    const { root, loader, records } = await gate({ requireDigest: true, digestFrom: "ollama" });
    storeModel(root, LLAMA, [
      { mediaType: "application/vnd.ollama.image.license", content: Buffer.from("MIT") },
      { mediaType: MODEL, content: bytes },
      { mediaType: "application/vnd.ollama.image.template", content: Buffer.from("{{ .Prompt }}") },
    ]);
    expect(await loader.load("ollama:llama3:8b")).toMatchObject({ digestFrom: "ollama", sha256 });
    expect((await records()).at(-1)).toMatchObject({
      target: { path: "ollama:llama3:8b", sha256, expectedSha256: sha256, expectedFrom: "ollama" }, details: { digestFrom: "ollama", digestFile: LLAMA },
    });
    expect(await loader.load(`blobs/sha256-${sha256}`)).toMatchObject({ digestFrom: "ollama" });
    expect((await loader.inspect("ollama:llama3:8b")).gguf.architecture).toBe("llama");
  });

  test("whose blob was changed is found out; one without the model says so", async () => {
    const { root, loader } = await gate({ requireDigest: true, digestFrom: "ollama" });
    storeModel(root, LLAMA, [{ mediaType: MODEL, content: bytes, digest: OTHER }]);
    expect(await refusal(loader.load("ollama:llama3:8b"))).toMatchObject({ code: "DIGEST_MISMATCH", expected: OTHER, actual: sha256 });
    expect(await refusal(loader.load("ollama:llama3:8b", { sha256 }))).toMatchObject({ code: "DIGEST_CONFLICT" });
    const error = await refusal(loader.load("ollama:llama3:70b"));
    expect(error).toMatchObject({ code: "NOT_FOUND" });
    expect(error.message).toContain("manifests/registry.ollama.ai/library/llama3/70b");
  });

  test("is asked by name only where it is the source", async () => {
    const { root, loader } = await gate();
    storeModel(root, LLAMA, [{ mediaType: MODEL, content: bytes }]);
    expect(await refusal(loader.load("ollama:llama3:8b"))).toMatchObject({ code: "NOT_FOUND" });
    writeFileSync(join(root, "ollama:llama3:8b"), bytes);
    await expect(loader.load("ollama:llama3:8b")).resolves.toMatchObject({ digestFrom: undefined });
  });

  test("with manifests as blobs and links to them is one as well, and goes before the older places", async () => {
    const { root, loader, records } = await gate({ requireDigest: true, digestFrom: "ollama" });
    storeModel(root, LLAMA, [{ mediaType: MODEL, content: bytes, digest: OTHER }]);
    storeModel(root, "manifest", [{ mediaType: MODEL, content: bytes }]);
    linkManifest(root, "manifests-v2/ollama.com/library/llama3/8b", readFileSync(join(root, "manifest")));
    expect(await loader.load("ollama:llama3:8b")).toMatchObject({ digestFrom: "ollama", sha256 });
    expect((await records()).at(-1)).toMatchObject({ details: { digestFile: "manifests-v2/ollama.com/library/llama3/8b" } });
  });

  test("with a list of manifests has the one for a runner of GGUF files, inline or as a blob of its own", async () => {
    const { root, loader } = await gate({ requireDigest: true, digestFrom: "ollama" });
    storeModel(root, "inner", [{ mediaType: MODEL, content: bytes }]);
    const inner = readFileSync(join(root, "inner"));
    writeFileSync(join(root, "blobs", `sha256-${digest(inner)}`), inner);
    const list = (...manifests: unknown[]): Buffer => Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.ollama.manifest.list.v2+json", manifests }));
    const reference = { mediaType: "application/vnd.docker.distribution.manifest.v2+json", digest: `sha256:${digest(inner)}`, runner: "llamacpp", format: "gguf" };
    const inline = { ...(JSON.parse(inner.toString()) as object), runner: "ollama", format: "gguf" };
    const foreign = { ...reference, digest: `sha256:${OTHER}`, runner: "mlx", format: "safetensors" };
    const manifest = join(root, "manifests-v2/ollama.com/library/llama3/8b");
    mkdirSync(dirname(manifest), { recursive: true });
    for (const content of [list(foreign, reference), list(foreign, inline), list(reference, inline)]) {
      writeFileSync(manifest, content);
      expect(await loader.load("ollama:llama3:8b")).toMatchObject({ digestFrom: "ollama", sha256 });
    }
    writeFileSync(manifest, list(foreign));
    expect(await refusal(loader.load("ollama:llama3:8b"))).toMatchObject({ code: "DIGEST_SOURCE_INVALID" });
    writeFileSync(manifest, list({ ...reference, digest: `sha256:${OTHER}` }));
    expect(await refusal(loader.load("ollama:llama3:8b"))).toMatchObject({ code: "NOT_FOUND" });
    // A manifest that is not what its name says names nothing.
    writeFileSync(join(root, "blobs", `sha256-${OTHER}`), inner);
    expect(await refusal(loader.load("ollama:llama3:8b"))).toMatchObject({ code: "DIGEST_SOURCE_INVALID", field: `blobs/sha256-${OTHER}` });
  });

  test("names a manifest as Ollama does", () => {
    expect(manifestPaths("llama3")).toEqual([
      "manifests-v2/ollama.com/library/llama3/latest", "manifests/registry.ollama.ai/library/llama3/latest", "manifests/ollama.com/library/llama3/latest",
    ]);
    expect(manifestPaths("someone/tiny:q4")?.[1]).toBe("manifests/registry.ollama.ai/someone/tiny/q4");
    expect(manifestPaths("hf.co/Someone/Tiny-GGUF:Q8_0")).toEqual(["manifests-v2/hf.co/Someone/Tiny-GGUF/Q8_0", "manifests/hf.co/Someone/Tiny-GGUF/Q8_0"]);
    expect(manifestPaths("localhost:5000/a/b:c")?.[1]).toBe("manifests/localhost:5000/a/b/c");
  });

  test.each(["", ":", "a:", "a:b:c", "../x", "a/../b", "..", "a/b/c/d", "a//b", "/a", "a b", "a:../../x", "a\0b", ".a", "h/n/m:.t", "a/b/", "ü"])("takes %j for no name", async (name) => {
    expect(manifestPaths(name)).toBeUndefined();
    const { loader } = await gate({ digestFrom: "ollama" });
    expect(await refusal(loader.load(`ollama:${name}`))).toMatchObject({ code: "NOT_FOUND" });
  });

  const malformed: [what: string, manifest: unknown, message: string][] = [
    ["without layers", {}, "layers"],
    ["without a model", { layers: [{ mediaType: "application/vnd.ollama.image.license", digest: `sha256:${sha256}` }] }, "no layer"],
    ["with two models", { layers: [{ mediaType: MODEL, digest: `sha256:${sha256}` }, { mediaType: MODEL, digest: `sha256:${OTHER}` }] }, "2 layers"],
    ["with a digest of another kind", { layers: [{ mediaType: MODEL, digest: `sha512:${sha256}${sha256}` }] }, "sha256:HEX"],
    ["with a path for a digest", { layers: [{ mediaType: MODEL, digest: "sha256:../../../etc/passwd" }] }, "sha256:HEX"],
    ["with a digest that is none", { layers: [{ mediaType: MODEL }] }, "sha256:HEX"],
    ["with layers that are none", { layers: [null, 5, "x", []] }, "no layer"],
  ];
  test.each(malformed)("with a manifest %s is refused", async (_, manifest, message) => {
    const { root, loader } = await gate({ digestFrom: "ollama" });
    mkdirSync(dirname(join(root, LLAMA)), { recursive: true });
    writeFileSync(join(root, LLAMA), JSON.stringify(manifest));
    const error = await refusal(loader.load("ollama:llama3:8b"));
    expect(error).toMatchObject({ code: "DIGEST_SOURCE_INVALID", field: LLAMA });
    expect(error.message).toContain(message);
    expect(() => parseOllamaManifest(Buffer.from(JSON.stringify(manifest)))).toThrow(BadSource);
  });
});

describe("the option", () => {
  test.each<[unknown, RegExp]>([
    ["sums", /^TypeError: digestFrom must be one of "sha256sums", "manifest", "huggingface", "ollama"/u],
    [5, /^TypeError: digestFrom must be one of/u],
    [null, /^TypeError: digestFrom must be an object, not null/u],
    [{}, /^TypeError: digestFrom must name one source/u],
    [{ sha256sums: "a", manifest: "b" }, /^TypeError: digestFrom must name one source/u],
    [{ ollama: "llama3" }, /^TypeError: digestFrom has no option "ollama"/u],
    [{ manifest: 5 }, /^TypeError: path must be a string/u],
  ])("%j is refused by name", async (digestFrom, message) => {
    const { loader, root } = await gate();
    expect(String(await loader.load("m.gguf", { digestFrom } as never).catch((failure: unknown) => failure))).toMatch(message);
    expect(String(await ModelLoader.open({ root, audit: "disabled", digestFrom } as never).catch((failure: unknown) => failure))).toMatch(message);
  });

  test.each<[unknown, RegExp]>([
    [{ "m.gguf": "5" }, /^TypeError: sha256\["m.gguf"\] must be 64 hex digits, and this has 1 characters/u],
    [{ "m.gguf": 5 }, /^TypeError: sha256\["m.gguf"\] must be a string/u],
    [[sha256], /^TypeError: sha256 must be a string of 64 hex digits, or an object with such strings by file name, not an array/u],
    [new Map([["m.gguf", sha256]]), /^TypeError: sha256 must be a string/u],
  ])("sha256 %j is refused by name", async (given, message) => {
    const { loader } = await gate();
    expect(String(await loader.load("m.gguf", { sha256: given } as never).catch((failure: unknown) => failure))).toMatch(message);
  });

  test("digests by name promise nothing of a buffer, which has none", async () => {
    const { loader } = await gate();
    await expect(loader.validateBytes(bytes, { sha256: { "m.gguf": sha256 } })).rejects.toThrow(TypeError);
    await expect(loader.validateBytes(bytes, { sha256 })).resolves.toMatchObject({ digestExpected: true });
    expect(await refusal(loader.validateBytes(bytes, { requireDigest: true, digestFrom: "sha256sums" }))).toMatchObject({ code: "DIGEST_REQUIRED" });
  });
});
