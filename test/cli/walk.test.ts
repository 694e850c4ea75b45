/** Which files of a folder are models, and in which order they come. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { fromText } from "../../lib/cli/byte-path.ts";
import { modelsIn } from "../../lib/cli/walk.ts";
import { folder } from "./support.ts";

async function found(root: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { path, unreadable } of modelsIn(fromText(root))) all.push(unreadable === undefined ? path : `${path}: ${unreadable.code ?? ""}`);
  return all;
}

test("every *.gguf below, in the order of the names' bytes, whatever order the disk has", async () => {
  const root = await folder();
  for (const name of ["b/deep/er", "a.dir", "B", "x.gguf"]) mkdirSync(join(root, name), { recursive: true });
  for (const name of ["z.gguf", "a.gguf", "B/1.gguf", "b/deep/er/2.GGUF", "a.dir/3.gguf", "x.gguf/4.gguf", "readme.md", "gguf", ".gguf", "b/x.gguf.part"]) {
    writeFileSync(join(root, name), "");
  }
  expect(await found(root)).toEqual([".gguf", "B/1.gguf", "a.dir/3.gguf", "a.gguf", "b/deep/er/2.GGUF", "x.gguf/4.gguf", "z.gguf"]);
});

test("names that are no text keep their bytes", async () => {
  const root = await folder();
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe]), Buffer.from(".gguf")]), "");
  expect(await found(root)).toEqual(["\u00FF\u00FE.gguf"]);
});

test("links to folders are not followed, links named like models are handed on", async () => {
  const root = await folder();
  mkdirSync(join(root, "sub"));
  symlinkSync("..", join(root, "sub/circle"));
  symlinkSync("/etc", join(root, "etc"));
  symlinkSync("/etc/passwd", join(root, "link.gguf"));
  expect(await found(root)).toEqual(["link.gguf"]);
});

test("a folder that cannot be read is told, and the rest is searched", async () => {
  const root = await folder();
  writeFileSync(join(root, "z.gguf"), "");
  // Deeper than a path can name: unreadable for everybody, the superuser too.
  const name = "d".repeat(250);
  execFileSync("bash", ["-c", `for depth in {1..17}; do mkdir ${name} && cd ${name}; done`], { cwd: root });
  onTestFinished(() => void execFileSync("rm", ["-rf", join(root, name)]));
  const all = await found(root);
  expect(all.map((one) => one.replace(/^d.*: /u, ""))).toEqual(["ENAMETOOLONG", "z.gguf"]);
});

test("a folder that is gone is told", async () => {
  const root = await folder();
  expect(await found(join(root, "missing"))).toEqual([": ENOENT"]);
});
