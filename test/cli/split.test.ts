/** Split models and sources of digests on the command line: a set is one model, whichever of its parts is named. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { tinyModel, tinyModelSpec } from "../fixtures/models.mjs";
import { partName, setDigest, splitSpecs, writeSet } from "../fixtures/split-models.mjs";
import type { WrittenPart } from "../fixtures/split-models.mjs";
import { cli, folder, line, lines, shell } from "./support.ts";

const GOOD = tinyModel().bytes();
const GOOD_SHA256 = createHash("sha256").update(GOOD).digest("hex");
const FIRST = partName("m", 0, 3);

let home: string;
let parts: WrittenPart[];
let whole: string;

beforeEach(async () => {
  home = await folder();
  parts = writeSet(home, "m", splitSpecs(tinyModelSpec(), 3));
  whole = setDigest(parts.map(({ sha256 }) => sha256));
});

describe("a split model", () => {
  test("is one object with its parts", async () => {
    const { code, stdout, stderr } = await cli(["verify", "--json", FIRST], home);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(line(stdout)).toMatchObject({
      path: FIRST, ok: true, sha256: whole, sizeBytes: parts.reduce((sum, { bytes }) => sum + bytes.length, 0),
      parts: parts.map(({ file, sha256, bytes }) => ({ path: file, sha256, sizeBytes: bytes.length, guard: "leased" })),
      gguf: { tensorCount: 21, architecture: "llama" },
    });
  });

  test("is said to be one to people", async () => {
    const { code, stdout } = await cli(["verify", FIRST], home);
    expect(code).toBe(0);
    expect(stdout).toContain("one model in 3 parts");
    for (const { file, sha256 } of parts) expect(stdout).toContain(`${sha256}  ${file}`);
  });

  test("is judged once when its folder is searched, or a shell names all parts, or one that is not the first", async () => {
    writeFileSync(join(home, "z.gguf"), GOOD);
    for (const [line, count] of [['"$CLI" verify --json .', 2], ['"$CLI" verify --json m-*.gguf', 1], ['"$CLI" verify --json ./m-00002-of-00003.gguf', 1]] as const) {
      const { code, stdout } = await shell(`"$NODE" ${line}`, home);
      expect(code).toBe(0);
      const found = lines(stdout);
      expect(found).toHaveLength(count);
      expect(found[0]).toMatchObject({ sha256: whole, parts: { length: 3 } });
      expect(String(found[0]?.["path"])).toContain(FIRST);
    }
  });

  test("whose first part is missing is refused once, with the part", async () => {
    rmSync(join(home, FIRST));
    const { code, stdout } = await cli(["verify", "--json", "."], home);
    expect(code).toBe(3);
    expect(line(stdout)).toMatchObject({ ok: false, code: "NOT_FOUND", part: 1 });
  });

  test("has the promised digest of the set, by any of its names", async () => {
    for (const names of [[FIRST], parts.map(({ file }) => file)]) {
      const { code, stdout } = await cli(["verify", "--json", "--sha256", whole, ...names], home);
      expect(code).toBe(0);
      expect(line(stdout)).toMatchObject({ ok: true, digestExpected: true, digestFrom: "caller" });
    }
    expect((await cli(["verify", "--sha256", parts[0]?.sha256 ?? "", FIRST], home)).code).toBe(1);
  });

  test("is one record in the trail", async () => {
    const trail = join(home, "audit");
    expect((await cli(["verify", "--audit", trail, ...parts.map(({ file }) => file)], home)).code).toBe(0);
    const log = join(trail, "log");
    const records = lines(readdirSync(log).sort().map((name) => readFileSync(join(log, name), "utf8")).join(""));
    expect(records.filter(({ type }) => type === "ModelLoaded")).toMatchObject([{ target: { path: FIRST, sha256: whole }, details: { parts: 3 } }]);
  });
});

describe("--digest-from", () => {
  test("takes SHA256SUMS beside the model, or a file that is named", async () => {
    writeFileSync(join(home, "SHA256SUMS"), parts.map(({ file, sha256 }) => `${sha256}  ${file}\n`).join(""));
    writeFileSync(join(home, "digests.json"), JSON.stringify({ version: 1, files: parts.map(({ file, sha256 }) => ({ path: file, sha256 })) }));
    for (const [source, from] of [["sha256sums", "sha256sums"], ["sha256sums:SHA256SUMS", "sha256sums"], ["manifest:digests.json", "manifest"]]) {
      const { code, stdout } = await cli(["verify", "--json", "--require-digest", "--root", home, "--digest-from", source ?? "", FIRST], home);
      expect(code).toBe(0);
      expect(line(stdout)).toMatchObject({ ok: true, digestExpected: true, digestFrom: from });
    }
    const { stdout } = await cli(["verify", "--digest-from", "sha256sums", FIRST], home);
    expect(stdout).toContain("(as promised by sha256sums)");
  });

  test("that lacks the model, or contradicts --sha256, refuses it", async () => {
    writeFileSync(join(home, "good.gguf"), GOOD);
    const lacking = await cli(["verify", "--json", "--require-digest", "--digest-from", "sha256sums", "good.gguf"], home);
    expect(lacking.code).toBe(1);
    expect(line(lacking.stdout)).toMatchObject({ code: "DIGEST_REQUIRED" });
    writeFileSync(join(home, "SHA256SUMS"), `${"0".repeat(64)}  good.gguf\n`);
    const conflict = await cli(["verify", "--json", "--sha256", GOOD_SHA256, "--digest-from", "sha256sums", "good.gguf"], home);
    expect(conflict.code).toBe(1);
    expect(line(conflict.stdout)).toMatchObject({ code: "DIGEST_CONFLICT", expected: GOOD_SHA256, actual: "0".repeat(64) });
    writeFileSync(join(home, "SHA256SUMS"), "nonsense\n");
    const invalid = await cli(["verify", "--json", "--digest-from", "sha256sums", "good.gguf"], home);
    expect(invalid.code).toBe(1);
    expect(line(invalid.stdout)).toMatchObject({ code: "DIGEST_SOURCE_INVALID", offset: 0, field: "SHA256SUMS" });
  });

  test("knows the caches of others", async () => {
    mkdirSync(join(home, "models--a--b/blobs"), { recursive: true });
    mkdirSync(join(home, "models--a--b/snapshots/r"), { recursive: true });
    writeFileSync(join(home, "models--a--b/blobs", GOOD_SHA256), GOOD);
    symlinkSync(join("../../blobs", GOOD_SHA256), join(home, "models--a--b/snapshots/r/m.gguf"));
    const cached = await cli(["verify", "--json", "--root", home, "--digest-from", "huggingface", "models--a--b/snapshots/r/m.gguf"], home);
    expect(line(cached.stdout)).toMatchObject({ ok: true, digestFrom: "huggingface" });
    mkdirSync(join(home, "manifests/registry.ollama.ai/library/tiny"), { recursive: true });
    mkdirSync(join(home, "blobs"));
    writeFileSync(join(home, "blobs", `sha256-${GOOD_SHA256}`), GOOD);
    const layers = [{ mediaType: "application/vnd.ollama.image.model", digest: `sha256:${GOOD_SHA256}`, size: GOOD.length }];
    writeFileSync(join(home, "manifests/registry.ollama.ai/library/tiny/latest"), JSON.stringify({ schemaVersion: 2, layers }));
    const stored = await cli(["verify", "--json", "--root", home, "--digest-from", "ollama", "ollama:tiny"], "/");
    expect(stored.code).toBe(0);
    expect(line(stored.stdout)).toMatchObject({ path: "ollama:tiny", ok: true, sha256: GOOD_SHA256, digestFrom: "ollama" });
  });

  test.each([
    [["--digest-from", "sums", "m.gguf"], "--digest-from must be one of"],
    [["--digest-from", "sha256sums:", "m.gguf"], "needs the name of a file"],
    [["--digest-from", "ollama:llama3", "m.gguf"], "--digest-from must be one of"],
    [["ollama:tiny"], "--root ~/.ollama/models --digest-from ollama"],
    [["--root", ".", "ollama:tiny"], "--digest-from ollama"],
  ])("is told what is wrong: %j", async (args, message) => {
    const { code, stderr } = await cli(["verify", ...args], home);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
