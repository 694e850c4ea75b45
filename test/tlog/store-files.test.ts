/** The native call that puts the files of a published tree in place: what it leaves, in which order it works, and what failures leave. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { NODE_TLOG_FS } from "../../lib/tlog/tlog-fs.ts";
import type { WholeFile } from "../../lib/tlog/tlog-fs.ts";
import { writeFilesSync } from "../../lib/tlog/whole-file.ts";
import { strace } from "../support/strace.ts";
import { folder } from "./support.ts";

const NATIVE = fileURLToPath(new URL("../../dist/native.js", import.meta.url));
const tracer = strace();

/** Three files, two of them in a folder that is new with its parent. */
function threeIn(place: string, fill: string): WholeFile[] {
  return ["a", "tile/0/000", "tile/0/001"].map((name) => ({ path: join(place, name), content: Buffer.from(name + fill) }));
}

function contents(place: string): Record<string, string> {
  const entries = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(place.length + 1), `${readFileSync(path, "latin1")} ${(statSync(path).mode & 0o777).toString(8)}`] as const;
  }).sort());
}

describe("stored files", () => {
  test("are what the twin in JavaScript leaves, modes and folders included", async () => {
    const [ours, twins] = [folder(), folder()];
    for (const fill of ["", "x".repeat(8_192), "again"]) {
      await NODE_TLOG_FS.storeFiles(threeIn(ours, fill));
      writeFilesSync(NODE_TLOG_FS, threeIn(twins, fill));
      expect(contents(ours)).toEqual(contents(twins));
    }
    expect(contents(ours)["tile/0/001"]).toBe("tile/0/001again 600");
    expect(statSync(join(ours, "tile")).mode & 0o777).toBe(0o700);
  });

  test("may be none, and may be more than a process has descriptors", async () => {
    const place = folder();
    await NODE_TLOG_FS.storeFiles([]);
    const program = `const { native } = await import(${JSON.stringify(NATIVE)});
      const files = Array.from({ length: 300 }, (_, i) => ({ path: ${JSON.stringify(place)} + "/" + (i >> 6) + "/" + i, content: Buffer.from(String(i)) }));
      console.log(await native.storeFiles(files));`;
    const out = execFileSync("prlimit", ["--nofile=128:128", process.execPath, "--input-type=module", "-e", program], { encoding: "utf8" });
    expect(out).toBe("null\n");
    for (let i = 0; i < 300; i += 1) expect(readFileSync(join(place, String(i >> 6), String(i)), "utf8")).toBe(String(i));
  });

  test("do not follow a link that lies where the file is written", async () => {
    const place = folder();
    writeFileSync(join(place, "elsewhere"), "untouched");
    symlinkSync("elsewhere", join(place, "a.tmp"));
    await expect(NODE_TLOG_FS.storeFiles(threeIn(place, ""))).rejects.toMatchObject({ code: "ELOOP" });
    expect(readFileSync(join(place, "elsewhere"), "utf8")).toBe("untouched");
    expect(existsSync(join(place, "a"))).toBe(false);
  });

  test("overwrite what a crash left half-written", async () => {
    const place = folder();
    writeFileSync(join(place, "a.tmp"), "half of something much longer than the file");
    await NODE_TLOG_FS.storeFiles(threeIn(place, ""));
    expect(readFileSync(join(place, "a"), "utf8")).toBe("a");
  });

  test.each([
    ["a file where a folder should be", "ENOTDIR", (place: string) => { writeFileSync(join(place, "tile"), ""); }],
    ["a folder of the file's name", "EISDIR", (place: string) => { mkdirSync(join(place, "tile/0/001"), { recursive: true }); }],
    ["a folder where the file is written", "EISDIR", (place: string) => { mkdirSync(join(place, "a.tmp")); }],
  ])("say what is in the way: %s", async (_, code, prepare) => {
    const place = folder();
    prepare(place);
    const failure: unknown = await NODE_TLOG_FS.storeFiles(threeIn(place, "")).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, message: expect.stringContaining(place) as string });
  });

  test("need leave to write", async (ctx) => {
    if (process.getuid?.() === 0) return ctx.skip("root may write anywhere");
    const place = folder();
    chmodSync(place, 0o500);
    await expect(NODE_TLOG_FS.storeFiles(threeIn(place, ""))).rejects.toMatchObject({ code: "EACCES" });
  });
});

describe("with the system's calls traced", () => {
  /** Stores three files in a process of its own; `faults` as strace's `inject=` says them. */
  function traced(place: string, faults: readonly string[]): { code: string; calls: string[] } {
    if (typeof tracer === "string") throw new Error(tracer);
    const log = join(place, "..", `${Math.random().toString(36).slice(2)}.trace`);
    const paths = [place, ...threeIn(place, "").flatMap(({ path }) => [path, `${path}.tmp`]), join(place, "tile"), join(place, "tile/0")];
    const program = `const { getSystemErrorName } = await import("node:util");
      const { native } = await import(${JSON.stringify(NATIVE)});
      const files = ${JSON.stringify(threeIn(place, "").map(({ path, content }) => ({ path, content: Buffer.from(content).toString() })))};
      const failure = await native.storeFiles(files.map(({ path, content }) => ({ path, content: Buffer.from(content) })));
      console.log(failure === null ? "stored" : getSystemErrorName(-failure.errno));`;
    const [tool = "", ...args] = tracer.command(faults, paths, log);
    const out = execFileSync(tool, [...args, process.execPath, "--input-type=module", "-e", program], { encoding: "utf8" });
    return { code: out.trim(), calls: [...readFileSync(log, "latin1").matchAll(/\b(write|fdatasync|rename|fsync)\(/g)].map(([, call]) => call ?? "") };
  }

  test("all are synced before the first has its name, and their folders after the last", (ctx) => {
    if (typeof tracer === "string") return ctx.skip(tracer);
    const { code, calls } = traced(folder(), ["write", "fdatasync", "rename", "fsync"].map((call) => `${call}:delay_enter=1`));
    expect(code).toBe("stored");
    // Folders: the files' two, the upper of which holds the new `tile`, and `tile`, which holds the new `tile/0`.
    expect(calls.join(" ")).toBe("write write write fdatasync fdatasync fdatasync rename rename rename fsync fsync fsync");
  });

  const faults = ["write", "fdatasync", "rename"].flatMap((call) => [1, 2, 3].map((when) => [call, when] as const));
  test.for([...faults, ["fsync", 1], ["fsync", 3]] as const)("a %s that fails, number %d, is told, and no file is half there", ([call, when], ctx) => {
    if (typeof tracer === "string") return ctx.skip(tracer);
    const place = folder();
    const { code } = traced(place, [`${call}:error=ENOSPC:when=${when}`]);
    expect(code).toBe("ENOSPC");
    const named = Object.entries(contents(place)).filter(([name]) => !name.endsWith(".tmp"));
    for (const [name, content] of named) expect(content).toBe(`${name} 600`);
    if (call === "write" || call === "fdatasync") expect(named).toEqual([]);
  });
});
