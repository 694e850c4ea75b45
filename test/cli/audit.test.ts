/** `model-loader audit verify`: a whole trail is told from one that was touched. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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
});

function segment(): string {
  const [name = ""] = readdirSync(join(trail, "log"));
  return join(trail, "log", name);
}

/** Changes one record's text; records count from 0. */
function change(seq: number, from: string, to: string): void {
  const rows = readFileSync(segment(), "utf8").split("\n");
  const row = rows[seq] ?? "";
  if (!row.includes(from)) throw new Error(`record ${seq} does not hold ${from}: ${row}`);
  rows[seq] = row.replace(from, to);
  writeFileSync(segment(), rows.join("\n"));
}

describe("a whole trail", () => {
  test("is intact, exit 0, and what that does not prove is said", async () => {
    const { code, stdout, stderr } = await cli(["audit", "verify", trail]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^intact {4}.*audit\n {2}5 good records in 1 segment/u);
    expect(stdout).toContain("Not proven:");
    expect(stdout).toContain("model_loader_audit_log_size");
  });

  test("in JSON", async () => {
    const { code, stdout } = await cli(["audit", "verify", "--json", trail]);
    expect(code).toBe(0);
    expect(line(stdout)).toMatchObject({ ok: true, records: 5, segments: 1, closed: true, notProven: expect.any(Array) as unknown });
  });
});

describe("a trail that was touched", () => {
  test("a changed record is named, exit 1", async () => {
    change(2, '"outcome":"', '"outcome":"x');
    const { code, stdout } = await cli(["audit", "verify", "--json", trail]);
    expect(code).toBe(1);
    expect(line(stdout)).toMatchObject({ ok: false, damage: { seq: 2 } });
    expect((await cli(["audit", "verify", trail])).stdout).toMatch(/^TAMPERED .*\n {2}record 2, /u);
  });

  test("a removed record is named", async () => {
    const rows = readFileSync(segment(), "utf8").split("\n");
    rows.splice(1, 1);
    writeFileSync(segment(), rows.join("\n"));
    const { code, stdout } = await cli(["audit", "verify", "--json", trail]);
    expect(code).toBe(1);
    expect(line(stdout)).toMatchObject({ ok: false, damage: { seq: 1 } });
  });

  test("hostile text in a record leaves the terminal alone", async () => {
    change(1, '"type"', '"\u001B[2Jtype"');
    const { code, stdout } = await cli(["audit", "verify", trail]);
    expect(code).toBe(1);
    expect(stdout).not.toContain("\u001B");
  });
});

describe("no trail", () => {
  test.each([["missing"], ["a.gguf"], ["empty"]])("%s is exit 3", async (name) => {
    mkdirSync(join(home, "empty"));
    const { code, stdout } = await cli(["audit", "verify", "--json", join(home, name)]);
    expect(code).toBe(3);
    expect(line(stdout)).toMatchObject({ ok: false, code: "NOT_FOUND" });
  });

  test.each([[["a", "b"]], [[""]], [["--strict", "a"]]])("the wrong command line %j is exit 2", async (args) => {
    expect((await cli(["audit", "verify", ...args])).code).toBe(2);
  });
});
