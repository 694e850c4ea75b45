/**
 * A file that is not in the page cache: before each round that one file is synced and evicted, and it is looked at whether it
 * has gone. Twice: on the disk as it is, and read ahead no further than the kernel does by default. The disk's own speed is the
 * limit of all ways.
 */
import { execFile } from "node:child_process";
import { closeSync, copyFileSync, fsyncSync, mkdtempSync, openSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { contestant } from "./child.mjs";
import { available, command } from "./command.mjs";
import { demandEqual, goal, medianOf, race, rounded } from "./measure.mjs";
import { OrdinaryDisk, readAheadKb } from "./ordinary-disk.mjs";
import { modelSize, pass, timed } from "./pass.mjs";

const GB = 1e9;
const RESIDENT_MAX = 0.05;
const READER = "one default buffered reader (8 KiB)";

export const title = "Proofs of a whole file, cold";

export async function measure({ files, quick, rounds = quick ? 3 : 7, example }) {
  const { path, bytes, sha256 } = files.written(modelSize((quick ? 1 : 4) * GB));
  const context = { pass: example("verify", "pass"), evict: join(example("verify", "evict"), "evict"), sha256, bytes, rounds };
  const records = mkdtempSync(join(files.folder, "records-"));
  await pass(context.pass, ["recorded", path, records]);
  const here = await measureAt({ path, records }, context);
  const disk = OrdinaryDisk.tryMake(files.folder, bytes);
  try {
    const there = disk === undefined ? undefined : await measureAt({ path: copied(path, disk.folder), records }, context);
    return { rows: [...here.rows, ...(there?.rows ?? [])], goals: goalsOf(there ?? here) };
  } finally {
    disk?.remove();
  }
}

function copied(path, folder) {
  const copy = join(folder, "model.gguf");
  copyFileSync(path, copy);
  const fd = openSync(copy, "r");
  fsyncSync(fd);
  closeSync(fd);
  return copy;
}

async function measureAt({ path, records }, { pass: binary, evict, sha256, bytes, rounds }) {
  const contestants = [
    { name: READER, run: () => timed(binary, ["buffered", path], "sha256") },
    { name: "REF: pread of 1 MiB + SHA-NI, one thread", run: () => timed(binary, ["ref", path], "sha256") },
    { name: "flat SHA-256", run: () => timed(binary, ["flat", path], "sha256") },
    { name: "both digests", run: () => timed(binary, ["both", path], "sha256") },
    { name: "tiles under a record", run: () => timed(binary, ["recorded", path, records], "tiles") },
    await contestant("Node stream, defaults", "node-hash.mjs", { way: "stream", path }),
    ...((await available("sha256sum", ["--version"])) ? [command("sha256sum", "sha256sum", [path], (stdout) => stdout.slice(0, 64))] : []),
  ].map(({ name, run }) => ({ name, run: async () => { await evicted(evict, path); return run(); } }));
  const rows = await race(contestants, { rounds, check: (answer, who) => { demandEqual(answer, sha256, who); } });
  const readahead = readAheadKb(path);
  return { rows: rows.map((row) => ({ ...row, gbPerS: rounded(bytes / row.medianMs / 1e6, 3), readahead })), readahead };
}

async function evicted(evict, path) {
  const { stdout } = await promisify(execFile)(evict, [path]);
  const { places, resident } = JSON.parse(stdout);
  if (resident > places * RESIDENT_MAX) throw new Error(`${resident} of ${places} places of ${path} are still in the page cache`);
}

function goalsOf({ rows, readahead }) {
  const times = (name) => medianOf(rows, READER) / medianOf(rows, name);
  const where = `cold, readahead ${readahead} KiB`;
  return [
    goal(`${where}: both digests >= 2 x one default buffered reader`, times("both digests"), (value) => value >= 2),
    goal(`${where}: tiles under a record >= 2 x one default buffered reader`, times("tiles under a record"), (value) => value >= 2),
  ];
}
