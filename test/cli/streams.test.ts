/** Signals, pipes and terminals. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { tinyModel, writeSparseModel } from "../fixtures/models.mjs";
import { cli, ended, folder, line, lines, shell, start } from "./support.ts";

/** Holes: it takes seconds to hash and no room on the disk. */
const LARGE_BYTES = 16_000_000_000;
const HAS_SCRIPT = spawnSync("script", ["--version"]).status === 0;

let home: string;

beforeEach(async () => {
  home = await folder();
});

describe("signals", () => {
  test.each([["SIGINT", 130], ["SIGTERM", 143]] as const)("%s ends a run cleanly and is recorded", async (signal, exit) => {
    writeSparseModel(join(home, "large.gguf"), LARGE_BYTES);
    writeFileSync(join(home, "next.gguf"), "GGUF");
    const trail = join(home, "audit");
    const child = start(["verify", "--json", "--audit", trail, "large.gguf"], home);
    const end = ended(child);
    await untilRecording(trail);
    child.kill(signal);
    const { code, stdout } = await end;
    expect(code).toBe(exit);
    expect(line(stdout)).toMatchObject({ path: "large.gguf", ok: false, code: "ABORTED" });
    expect(trailText(trail)).toContain('"reason":"ABORTED"');
    expect(trailText(trail)).toContain('"type":"AuditClosed"');
  });

  test("what had not begun is counted, not judged", async () => {
    for (const index of [0, 1, 2, 3, 4, 5, 6, 7]) writeSparseModel(join(home, `${index}.gguf`), LARGE_BYTES);
    const trail = join(home, "audit");
    const child = start(["verify", "--json", "--audit", trail, "."], home);
    const end = ended(child);
    await untilRecording(trail);
    child.kill("SIGINT");
    const { code, stdout, stderr } = await end;
    expect(code).toBe(130);
    expect(lines(stdout).length).toBeLessThanOrEqual(4);
    expect(stderr).toMatch(/stopped; \d of 8 files not judged/u);
  });
});

describe("pipes", () => {
  test("a reader that leaves ends the run without a word", async () => {
    for (const index of Array(40).keys()) writeFileSync(join(home, `${index}.gguf`), tinyModel().bytes());
    const { stdout, stderr } = await shell('"$NODE" "$CLI" verify --json . | head -1; echo "${PIPESTATUS[0]}"', home);
    const [first, status] = stdout.trim().split("\n");
    expect(JSON.parse(first ?? "")).toMatchObject({ ok: true });
    expect(stderr).toBe("");
    expect(status).toBe("141");
  });

  test("for a reader that was never there no more than what had begun is judged", async () => {
    writeSparseModel(join(home, "0.gguf"), 100_000_000);
    for (let index = 10; index < 50; index++) writeFileSync(join(home, `${index}.gguf`), tinyModel().bytes());
    const { stdout, stderr } = await shell('"$NODE" "$CLI" verify --json --audit audit . | true; echo "${PIPESTATUS[0]}"', home);
    expect({ stdout, stderr }).toEqual({ stdout: "141\n", stderr: "" });
    expect(trailText(join(home, "audit")).split('"type":"ModelLoaded"').length - 1).toBeLessThan(10);
  });

  test("results that cannot be written are a failure", async () => {
    writeFileSync(join(home, "a.gguf"), tinyModel().bytes());
    const { code, stderr } = await shell('"$NODE" "$CLI" verify --json a.gguf > /dev/full', home);
    expect(code).toBe(3);
    expect(stderr).toContain("the results could not be written");
  });

  test("no progress in a pipe", async () => {
    writeSparseModel(join(home, "a.gguf"), 100_000_000);
    const { code, stderr } = await cli(["verify", "a.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe.skipIf(!HAS_SCRIPT)("a terminal", () => {
  test("shows progress on standard error and clears it before the verdict", async () => {
    writeSparseModel(join(home, "a.gguf"), 200_000_000);
    const { stdout, code } = await shell(`script -qefc '"$NODE" "$CLI" verify a.gguf' /dev/null`, home);
    expect(code).toBe(0);
    expect(stdout).toMatch(/a\.gguf {2}\[[#-]{4,20}\] .* GB\/s .* left/u);
    const [, verdict] = stdout.split(/\r\u001B\[2K(?=ok)/u);
    expect(verdict).toContain("ok       a.gguf");
    expect(verdict).not.toContain("\u001B");
  });

  test("draws at most 20 times a second", async () => {
    writeSparseModel(join(home, "a.gguf"), 400_000_000);
    const startedMs = performance.now();
    const { stdout } = await shell(`script -qefc '"$NODE" "$CLI" verify a.gguf' /dev/null`, home);
    const seconds = (performance.now() - startedMs) / 1000;
    expect(stdout.split("\u001B[2K").length).toBeLessThanOrEqual(20 * seconds + 3);
  });

  test("keeps standard output for JSON alone", async () => {
    writeSparseModel(join(home, "a.gguf"), 200_000_000);
    const { code } = await shell(`script -qefc '"$NODE" "$CLI" verify --json a.gguf > out.json' /dev/null`, home);
    expect(code).toBe(0);
    expect(line(readFileSync(join(home, "out.json"), "utf8"))).toMatchObject({ ok: true });
  });
});

/** The command is at work once its trail has a first record. */
async function untilRecording(trail: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (trailText(trail).includes("\n")) {
      await sleep(100);
      return;
    }
    await sleep(10);
  }
  throw new Error("the command never opened its trail");
}

function trailText(trail: string): string {
  try {
    return readdirSync(join(trail, "log")).map((name) => readFileSync(join(trail, "log", name), "utf8")).join("");
  } catch {
    // Not there yet.
    return "";
  }
}
