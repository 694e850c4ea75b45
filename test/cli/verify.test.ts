/** `model-loader verify` as a person or a script meets it. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { blake3Hex } from "../support/blake3.ts";
import { string, u32, writeGguf } from "../fixtures/gguf-writer.mjs";
import { cli, folder, line, lines, shell } from "./support.ts";

const GOOD = tinyModel().bytes();
const GOOD_SHA256 = createHash("sha256").update(GOOD).digest("hex");

let home: string;

beforeEach(async () => {
  home = await folder();
  writeFileSync(join(home, "good.gguf"), GOOD);
});

/** The trail's records, less those about the trail itself. */
function records(trail: string): Record<string, unknown>[] {
  const log = join(trail, "log");
  const segments = readdirSync(log).sort().map((name) => readFileSync(join(log, name), "utf8"));
  return lines(segments.join("")).filter(({ type }) => !String(type).startsWith("Audit"));
}

describe("a good model", () => {
  test("is verified, and its digest told", async () => {
    const { code, stdout, stderr } = await cli(["verify", "good.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("ok       good.gguf");
    expect(stdout).toContain(GOOD_SHA256);
    expect(stdout).toContain("none was promised");
  });

  test("is one JSON object, as the README describes it", async () => {
    const { code, stdout, stderr } = await cli(["verify", "--json", "good.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(line(stdout)).toEqual({
      path: "good.gguf", ok: true, guard: "leased", sha256: GOOD_SHA256, blake3: blake3Hex(GOOD), proof: "sha256", sizeBytes: GOOD.length, digestExpected: false,
      gguf: { version: 3, tensorCount: 21, metadataCount: 20, alignment: 32, architecture: "llama" },
      findings: [], findingCount: 0,
    });
  });

  test("has the promised digest, in either case", async () => {
    const { code, stdout } = await cli(["verify", "--json", "--sha256", GOOD_SHA256.toUpperCase(), "good.gguf"], home);
    expect(code).toBe(0);
    expect(line(stdout)).toMatchObject({ ok: true, digestExpected: true });
  });

  test("may be named absolutely, in a root, and from a folder in it", async () => {
    for (const args of [[join(home, "good.gguf")], ["--root", home, "good.gguf"], ["--root", home, join(home, "good.gguf")]]) {
      expect((await cli(["verify", ...args], "/")).code).toBe(0);
    }
    mkdirSync(join(home, "sub"));
    expect((await cli(["verify", "--root", "..", "../good.gguf"], join(home, "sub"))).code).toBe(0);
  });

  test("without an architecture has null for it", async () => {
    writeFileSync(join(home, "bare.gguf"), writeGguf({ metadata: [["x.y", u32(1)]], tensors: [] }).bytes());
    const { stdout } = await cli(["verify", "--json", "--no-engine-safety", "bare.gguf"], home);
    expect(line(stdout)).toMatchObject({ ok: true, gguf: { architecture: null } });
  });
});

describe("a refusal", () => {
  test("says code, message and both digests", async () => {
    const promised = "0".repeat(64);
    const { code, stdout } = await cli(["verify", "--json", "good.gguf", "--sha256", promised], home);
    expect(code).toBe(1);
    expect(line(stdout)).toMatchObject({
      path: "good.gguf", ok: false, code: "DIGEST_MISMATCH", expected: promised, actual: GOOD_SHA256, severity: "CRITICAL", retriable: false,
    });
  });

  test("has the place where the file is wrong", async () => {
    writeFileSync(join(home, "cut.gguf"), GOOD.subarray(0, 100));
    const { code, stdout } = await cli(["verify", "--json", "cut.gguf"], home);
    expect(code).toBe(1);
    expect(line(stdout)).toMatchObject({ ok: false, code: "GGUF_TRUNCATED", severity: "HIGH", retriable: false });
    expect(typeof line(stdout)["offset"]).toBe("number");
  });

  test("in words stands on standard output", async () => {
    writeFileSync(join(home, "page.gguf"), "<!DOCTYPE html><html></html>");
    const { code, stdout, stderr } = await cli(["verify", "page.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(stdout).toMatch(/^REFUSED {2}page\.gguf\n {2}GGUF_NOT_GGUF: /u);
  });

  test.each([
    ["--require-digest", [], 1, "DIGEST_REQUIRED"],
    ["--max-bytes", ["1000"], 1, "TOO_LARGE"],
  ])("%s", async (option, value, exit, refusal) => {
    const { code, stdout } = await cli(["verify", "--json", option, ...value, "good.gguf"], home);
    expect(code).toBe(exit);
    expect(line(stdout)).toMatchObject({ ok: false, code: refusal });
  });

  test("--strict refuses what is only a finding otherwise", async () => {
    const odd = writeGguf({ metadata: [["general.architecture", string("llama")], ["No Convention", u32(1)]], tensors: [] }).bytes();
    writeFileSync(join(home, "odd.gguf"), odd);
    const lenient = line((await cli(["verify", "--json", "--no-engine-safety", "odd.gguf"], home)).stdout);
    const strict = await cli(["verify", "--json", "--no-engine-safety", "--strict", "odd.gguf"], home);
    expect(lenient["ok"]).toBe(true);
    expect(lenient["findingCount"]).toBeGreaterThan(0);
    expect(strict.code).toBe(1);
    expect(line(strict.stdout)).toMatchObject({ ok: false, code: "GGUF_NONCONFORMANT" });
  });
});

describe("what cannot be judged", () => {
  test.each([
    ["missing.gguf", "NOT_FOUND"],
    ["no/such/folder/x.gguf", "NOT_FOUND"],
    ["good.gguf/", "NOT_FOUND"],
    ["", "NOT_FOUND"],
    ["/dev/null", "NOT_REGULAR_FILE"],
  ])("%j is %s and exit 3", async (name, refusal) => {
    const { code, stdout } = await cli(["verify", "--json", name], home);
    expect(line(stdout)).toMatchObject({ path: name, ok: false, code: refusal });
    expect(code).toBe(3);
  });

  test("a FIFO is refused at once instead of waited for", async () => {
    const { code, stdout } = await shell('mkfifo pipe.gguf && "$NODE" "$CLI" verify --json pipe.gguf', home);
    expect(code).toBe(3);
    expect(line(stdout)).toMatchObject({ code: "NOT_REGULAR_FILE" });
  });

  test("a missing root", async () => {
    const { code, stdout } = await cli(["verify", "--json", "--root", join(home, "missing"), "x.gguf"], home);
    expect(code).toBe(3);
    expect(line(stdout)).toMatchObject({ ok: false, code: "NOT_FOUND" });
  });

  test("a folder without models is no success", async () => {
    mkdirSync(join(home, "empty"));
    const { code, stdout } = await cli(["verify", "--json", "empty"], home);
    expect(code).toBe(3);
    expect(line(stdout)).toMatchObject({ path: "empty", ok: false, code: "NOT_FOUND" });
  });
});

describe("an escape from the root", () => {
  test.each([
    ["../../etc/passwd"],
    ["/etc/passwd"],
    ["link.gguf"],
    ["out/x.gguf"],
    ["missing/../../../etc/passwd"],
    ["out"],
    [".."],
  ])("%s is refused and recorded", async (path) => {
    const root = join(home, "models");
    const trail = join(home, "audit");
    mkdirSync(root);
    symlinkSync("/etc/passwd", join(root, "link.gguf"));
    symlinkSync(home, join(root, "out"));
    const { code, stdout } = await cli(["verify", "--json", "--root", root, "--audit", trail, path], "/");
    expect(code).toBe(1);
    expect(line(stdout)).toMatchObject({ path, ok: false, code: "PATH_TRAVERSAL", severity: "CRITICAL" });
    expect(records(trail)).toMatchObject([{ type: "PathTraversalAttempt", sev: "CRITICAL", reason: "PATH_TRAVERSAL" }]);
  });

  test("without --root, a link out of the file's own folder is one too", async () => {
    mkdirSync(join(home, "links"));
    symlinkSync("../good.gguf", join(home, "links/model.gguf"));
    expect(line((await cli(["verify", "--json", "links/model.gguf"], home)).stdout)).toMatchObject({ code: "PATH_TRAVERSAL" });
    expect((await cli(["verify", "links/model.gguf"], home)).stdout).toContain("name a folder that holds both ends with --root");
    expect((await cli(["verify", "--json", "--root", ".", "links/model.gguf"], home)).code).toBe(0);
  });
});

describe("several files", () => {
  beforeEach(() => {
    mkdirSync(join(home, "models/sub"), { recursive: true });
    for (const name of ["b.gguf", "a.gguf", "sub/c.gguf"]) writeFileSync(join(home, "models", name), GOOD);
    writeFileSync(join(home, "models/readme.md"), "no model");
  });

  test("a folder is searched, in order, and named as find names it", async () => {
    const { code, stdout, stderr } = await cli(["verify", "--json", "models", "good.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(lines(stdout).map(({ path }) => path)).toEqual(["models/a.gguf", "models/b.gguf", "models/sub/c.gguf", "good.gguf"]);
  });

  test("a folder in a root", async () => {
    const { code, stdout } = await cli(["verify", "--json", "--root", "models", "sub", "models"], home);
    expect(code).toBe(0);
    expect(lines(stdout).map(({ path }) => path)).toEqual(["sub/c.gguf", "models/a.gguf", "models/b.gguf", "models/sub/c.gguf"]);
  });

  test("the worst decides the exit code: a refusal outweighs a missing file", async () => {
    writeFileSync(join(home, "bad.gguf"), "GGUF");
    expect((await cli(["verify", "good.gguf", "missing.gguf"], home)).code).toBe(3);
    expect((await cli(["verify", "missing.gguf", "bad.gguf", "good.gguf"], home)).code).toBe(1);
    const { stderr } = await cli(["verify", "missing.gguf", "bad.gguf", "good.gguf"], home);
    expect(stderr).toBe("1 verified, 2 not\n");
  });

  test("a link out of the folder is refused, and nothing behind it is listed", async () => {
    symlinkSync("../good.gguf", join(home, "models/link.gguf"));
    symlinkSync("..", join(home, "models/up"));
    const { code, stdout } = await cli(["verify", "--json", "models"], home);
    expect(code).toBe(1);
    expect(lines(stdout).map(({ path, ok }) => [path, ok])).toEqual([
      ["models/a.gguf", true], ["models/b.gguf", true], ["models/link.gguf", false], ["models/sub/c.gguf", true],
    ]);
  });

  test.each([
    ["two files", ["good.gguf", "models/a.gguf"]],
    ["a folder", ["models"]],
  ])("one digest for %s is a mistake", async (_, names) => {
    const { code, stdout, stderr } = await cli(["verify", "--sha256", GOOD_SHA256, ...names], home);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("--sha256 is the digest of one file");
  });
});

describe("names that are hostile", () => {
  test("no control character reaches the terminal, and JSON stays exact", async () => {
    const name = "\u001B[2J\n\u202E\"\\.gguf";
    writeFileSync(join(home, name), "GGUF");
    const told = await cli(["verify", name], home);
    expect(told.stdout).not.toMatch(/[\u001B\u202E]/u);
    expect(told.stdout).toContain("\\u{1B}[2J\\u{A}\\u{202E}");
    expect(line((await cli(["verify", "--json", name], home)).stdout)["path"]).toBe(name);
  });

  test("a name that is no text is judged by its bytes, as an argument and in a folder", async () => {
    const named = await shell(`cp good.gguf $'\\xff\\xfe.gguf' && "$NODE" "$CLI" verify --json $'\\xff\\xfe.gguf' . --root .`, home);
    const expected = { path: "\uFFFD\uFFFD.gguf", pathBase64: Buffer.from("\xFF\xFE.gguf", "latin1").toString("base64"), ok: true };
    expect(lines(named.stdout)[0]).toMatchObject(expected);
    expect(lines(named.stdout)[2]).toMatchObject({ ...expected, path: "./\uFFFD\uFFFD.gguf", pathBase64: expect.any(String) as string });
    expect(named.code).toBe(0);
  });

  test("a name that looks like an option", async () => {
    writeFileSync(join(home, "--json.gguf"), GOOD);
    expect((await cli(["verify", "--", "--json.gguf"], home)).code).toBe(0);
    expect((await cli(["verify", "--json.gguf"], home)).code).toBe(2);
  });

  test("a name of 5,000 bytes", async () => {
    const { code, stdout } = await cli(["verify", "--json", "x".repeat(5000)], home);
    expect(code).toBe(3);
    expect(line(stdout)).toMatchObject({ ok: false });
  });
});

describe("the audit trail", () => {
  test("has who asked and why, and survives the command", async () => {
    const trail = join(home, "audit");
    const who = ["--actor", "deploy\u001B[31m", "--correlation-id", "job-7"];
    expect((await cli(["verify", "--audit", trail, ...who, "good.gguf"], home)).code).toBe(0);
    expect(records(trail)).toMatchObject([
      { type: "ModelLoaded", actor: "deploy\\u{001B}[31m", corr: "job-7" },
      { type: "ModelUnloaded" },
    ]);
  });

  test("holds what failed before a file was opened", async () => {
    const trail = join(home, "audit");
    mkdirSync(join(home, "empty"));
    await cli(["verify", "--audit", trail, "--actor", "me", "empty"], home);
    await cli(["verify", "--audit", trail, "--root", "missing", "x.gguf"], home);
    expect(records(trail)).toMatchObject([
      { type: "ModelLoadFailed", sev: "INFO", reason: "NOT_FOUND", actor: "me" },
      { type: "ModelLoadFailed", sev: "INFO", reason: "NOT_FOUND" },
    ]);
  });

  test("that cannot be opened means exit 4, and no verdict", async () => {
    writeFileSync(join(home, "file"), "");
    const { code, stdout } = await cli(["verify", "--json", "--audit", join(home, "file"), "good.gguf"], home);
    expect(code).toBe(4);
    expect(line(stdout)).toMatchObject({ path: "good.gguf", ok: false, code: "AUDIT_UNAVAILABLE" });
  });
});
