/** `model-loader audit` with signed checkpoints: verify, prove, check-proof, rotate-key. */
import { existsSync, readFileSync, truncateSync, writeFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { cli, folder, line } from "./support.ts";

let home: string;
let trail: string;

beforeEach(async () => {
  home = await folder();
  trail = join(home, "audit");
  tinyModel().save(join(home, "a.gguf"));
  await cli(["verify", "--audit", trail, "a.gguf", "missing.gguf"], home);
  writeFileSync(join(home, "host.vkey"), readFileSync(join(trail, "vkey")));
});

describe("audit verify", () => {
  test("names the checkpoint and whose key was used", async () => {
    expect((await cli(["audit", "verify", trail])).stdout).toMatch(/\n {2}checkpoint of 5 records of .*, signed by [0-9a-f]{8} \(a key in this folder\)\n/u);
    const { code, stdout } = await cli(["audit", "verify", "audit", "--vkey", "host.vkey"], home);
    expect(code).toBe(0);
    expect(stdout).toContain("(the key you gave)");
    const key = readFileSync(join(trail, "vkey"), "utf8").trim();
    expect(line((await cli(["audit", "verify", trail, "--vkey", key, "--json"])).stdout)).toMatchObject({ ok: true, checkpoint: { size: 5, keysFrom: "caller" } });
  });

  test("tells a cut end, exit 1", async () => {
    const path = join(trail, "log", readdirSync(join(trail, "log"))[0] ?? "");
    const text = readFileSync(path, "latin1");
    truncateSync(path, text.lastIndexOf("\n", text.length - 2) + 1);
    const { code, stdout } = await cli(["audit", "verify", trail]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^TAMPERED .*\n {2}record 4, rolled-back: records 4 to 4 were signed and are gone/u);
  });

  test("holds it against an earlier checkpoint", async () => {
    writeFileSync(join(home, "monday"), readFileSync(join(trail, "checkpoint")));
    await cli(["verify", "--audit", trail, "a.gguf"], home);
    expect((await cli(["audit", "verify", "audit", "--since", "monday"], home)).code).toBe(0);
    writeFileSync(join(trail, "checkpoint"), readFileSync(join(home, "monday")));
    expect((await cli(["audit", "verify", "audit"], home)).stdout).toContain("intact");
  });

  test.each([
    [["--vkey", "nowhere"], "cannot be read"], [["--vkey", "a.gguf"], "holds no verifier key"], [["--since", "a.gguf"], "note"], [["--witness", "host.vkey"], "witness"],
  ])("%j is exit 2, in words", async (args, words) => {
    const { code, stderr } = await cli(["audit", "verify", "audit", ...args], home);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });
});

describe("audit prove and check-proof", () => {
  test("make evidence that is checked without the trail", async () => {
    const made = await cli(["audit", "prove", "audit", "2"], home);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    expect(made.stdout).toMatch(/^proven {4}record 2 of .*, by the checkpoint of 5 records\n/u);
    expect(readFileSync(join(home, "2.tlog-proof"), "utf8")).toMatch(/^c2sp\.org\/tlog-proof@v1\nindex 2\n/u);
    expect(JSON.parse(readFileSync(join(home, "2.record"), "latin1"))).toMatchObject({ seq: 2 });
    const checked = await cli(["audit", "check-proof", "2.tlog-proof", "2.record", "--vkey", "host.vkey"], home);
    expect(checked).toMatchObject({ code: 0, stderr: "" });
    expect(checked.stdout).toMatch(/^proven {4}this is record 2 of /u);
    writeFileSync(join(home, "2.record"), readFileSync(join(home, "2.record"), "latin1").replace('"seq":2', '"seq":3'));
    const refused = await cli(["audit", "check-proof", "2.tlog-proof", "2.record", "--vkey", "host.vkey", "--json"], home);
    expect(refused.code).toBe(1);
    expect(line(refused.stdout)).toMatchObject({ ok: false, code: "PROOF_FAILED" });
  });

  test("give both in JSON, or in files that are named, and overwrite none", async () => {
    const { stdout } = await cli(["audit", "prove", "audit", "0", "--json"], home);
    expect(line(stdout)).toMatchObject({ ok: true, seq: 0, size: 5, proof: expect.stringContaining("tlog-proof@v1") as string, record: expect.stringContaining('"seq":0') as string });
    expect(existsSync(join(home, "0.tlog-proof"))).toBe(false);
    expect((await cli(["audit", "prove", "audit", "0", "--out", "p", "--record", "r"], home)).code).toBe(0);
    const again = await cli(["audit", "prove", "audit", "1", "--out", "p", "--record", "r"], home);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("cannot be written");
    expect(readFileSync(join(home, "r"), "latin1")).toContain('"seq":0');
  });

  test.each([
    [["prove", "audit", "5"], 1, "OUT_OF_RANGE"], [["prove", "audit", "99999999999999999"], 2, "SEQ"], [["prove", "audit", "x"], 2, "SEQ"], [["prove", "audit"], 2, "needs"],
    [["prove", "nowhere", "1"], 3, "NOT_FOUND"], [["prove", "audit", "1", "2"], 2, "one record"], [["check-proof", "a.gguf"], 2, "needs"],
    [["check-proof", "a.gguf", "a.gguf"], 2, "--vkey"], [["check-proof", "a.gguf", "a.gguf", "--vkey", "host.vkey"], 1, "MALFORMED"],
  ])("%j is exit %d, in words", async (args, code, words) => {
    const ended = await cli(["audit", ...args], home);
    expect(ended.code).toBe(code);
    expect(ended.stdout + ended.stderr).toContain(words);
  });
});

describe("audit rotate-key", () => {
  test("makes a new key that signs beside the old one, and those who know either are content", async () => {
    const { code, stdout } = await cli(["audit", "rotate-key", "audit"], home);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^changed {3}audit\n {2}new key {2}\S+\n {2}old key {2}\S+\n/u);
    expect(existsSync(join(trail, "key.pem.previous"))).toBe(true);
    const vkeys = readFileSync(join(trail, "vkey"), "utf8").trim().split("\n");
    expect(vkeys).toHaveLength(2);
    for (const vkey of vkeys) expect((await cli(["audit", "verify", trail, "--vkey", vkey])).code).toBe(0);
    expect((await cli(["audit", "verify", "audit", "--vkey", "host.vkey"], home)).code).toBe(0);
  });

  test.each([[["nowhere"], 3], [[], 2], [["audit", "--key", "no/such/folder/k.pem"], 4]])("%j is exit %d", async (args, code) => {
    expect((await cli(["audit", "rotate-key", ...args], home)).code).toBe(code);
    expect(existsSync(join(home, "nowhere"))).toBe(false);
  });
});
