/** `audit query` and `audit export`: the stored lines for programs, safe lines for people, and quiet ends. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { cli, folder, lines, shell } from "./support.ts";

let home: string;
let trail: string;

beforeEach(async () => {
  home = await folder();
  trail = join(home, "audit");
  tinyModel().save(join(home, "a.gguf"));
  await cli(["verify", "--audit", trail, "--actor", "alice", "a.gguf", "missing.gguf", "../\u001b[2Jx"], home);
});

function stored(): string {
  return readdirSync(join(trail, "log")).sort().map((name) => readFileSync(join(trail, "log", name), "latin1")).join("");
}

describe("audit query", () => {
  test("gives the stored bytes with --json, and nothing else", async () => {
    expect(await cli(["audit", "query", trail, "--json"])).toEqual({ code: 0, stdout: stored(), stderr: "" });
  });

  test("finds by type, several of them, and by severity and graver", async () => {
    const types = async (...args: string[]): Promise<unknown[]> => lines((await cli(["audit", "query", trail, "--json", ...args])).stdout).map(({ type }) => type);
    expect(await types("--type", "ModelLoaded")).toEqual(["ModelLoaded"]);
    expect(await types("--type", "ModelLoaded", "--type", "AuditOpened,AuditClosed")).toEqual(["AuditOpened", "ModelLoaded", "AuditClosed"]);
    expect(await types("--severity", "high")).not.toContain("ModelLoaded");
    expect(await types("--since", "1h", "--actor", "alice", "--target", "a.gg*")).toEqual(["ModelLoaded", "ModelUnloaded"]);
    expect(await types("--until", "2026-01-01")).toEqual([]);
    expect(await types("--seq", "0", "--limit", "1")).toEqual(["AuditOpened"]);
  });

  test("shows people a line a record that leaves the terminal alone", async () => {
    const { code, stdout } = await cli(["audit", "query", trail]);
    expect(code).toBe(0);
    expect(stdout.split("\n")).toHaveLength(stored().split("\n").length);
    expect(stdout).toMatch(/^ {7}\d {2}\d{4}-\d\d-\d\dT[\d:.]+Z {2}INFO {6}ModelLoaded {2}allowed {2}action=model.load {2}target=a.gguf {2}actor=alice$/mu);
    expect(stdout).not.toContain("\u001b");
  });

  test("ends quietly when its reader leaves", async () => {
    const log = await AuditLog.open(trail);
    for (let i = 0; i < 5_000; i += 1) void log.emit({ type: "ModelLoaded", outcome: "allowed", action: "model.load" });
    await log[Symbol.asyncDispose]();
    const { stdout, stderr } = await shell('"$NODE" "$CLI" audit query audit --json | head -1 | wc -l; echo "${PIPESTATUS[0]}"', home);
    expect({ stdout, stderr }).toEqual({ stdout: "1\n141\n", stderr: "" });
    // A slow reader gets every line all the same.
    const slow = await shell('"$NODE" "$CLI" audit query audit --json | (sleep 0.5; wc -l)', home);
    expect(Number(slow.stdout)).toBe(stored().split("\n").length - 1);
  });

  test("no trail is exit 3", async () => {
    expect((await cli(["audit", "query", join(home, "nothing")])).code).toBe(3);
  });
});

describe("audit export", () => {
  test.each([
    ["ocsf", (line: Record<string, unknown>) => line["class_uid"]], ["ecs", (line: Record<string, unknown>) => line["@timestamp"]],
    ["cloudevents", (line: Record<string, unknown>) => line["specversion"]],
  ])("%s is one JSON object a line, for every record", async (format, field) => {
    const { code, stdout } = await cli(["audit", "export", trail, "--format", format]);
    expect(code).toBe(0);
    expect(lines(stdout)).toHaveLength(stored().split("\n").length - 1);
    for (const line of lines(stdout)) expect(field(line)).toBeDefined();
    expect(stdout).toMatch(/^[ -~\n]*$/u);
  });

  test("cef is one line an event, and takes the same filters", async () => {
    const { stdout } = await cli(["audit", "export", trail, "--format", "cef", "--type", "ModelLoaded"]);
    expect(stdout).toMatch(/^CEF:0\|model-loader\|model-loader\|[\d.]+\|ModelLoaded\|A model was verified and loaded\|3\|rt=\d+ .*\n$/u);
  });
});
