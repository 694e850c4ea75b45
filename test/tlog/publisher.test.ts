import * as fs from "node:fs";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { Cosigner, CosignatureVerifier } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { openNote } from "../../lib/tlog/note.ts";
import { inclusionProof, verifyInclusion } from "../../lib/tlog/proof.ts";
import { Publisher } from "../../lib/tlog/publisher.ts";
import type { Published } from "../../lib/tlog/publisher.ts";
import { NoteSigner } from "../../lib/tlog/signer.ts";
import { StoredTree } from "../../lib/tlog/tile-source.ts";
import { NODE_TLOG_FS } from "../../lib/tlog/tlog-fs.ts";
import type { TlogFs } from "../../lib/tlog/tlog-fs.ts";
import { writeFilesSync } from "../../lib/tlog/whole-file.ts";
import { codeOf, flipped, folder, laterCodeOf, leavesOf } from "./support.ts";
import { Twin } from "./twin.ts";

const ORIGIN = "audit.example.com/model-loader/host-1";
const signer = new NoteSigner(ORIGIN, generatePrivateKey());
const twin = new Twin(leavesOf(1_200));

function open(place: string, files?: TlogFs): Publisher {
  return Publisher.open({ folder: place, origin: ORIGIN, signers: [signer], ...(files === undefined ? {} : { fs: files }) });
}

function feed(publisher: Publisher, to: number): void {
  for (const leaf of twin.leaves.slice(publisher.size, to)) publisher.append(leaf);
}

/** A folder with a checkpoint of that many records. */
function publishedFolder(size: number): string {
  const place = folder();
  const publisher = open(place);
  feed(publisher, size);
  publisher.publishSync();
  return place;
}

function checkpointIn(place: string): { size: number; root: Buffer } {
  return openCheckpoint(readFileSync(join(place, "checkpoint")), ORIGIN, [signer.verifier()]);
}

function filesIn(place: string): string[] {
  const entries = readdirSync(place, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1)).sort();
}

/** Every record of the checkpoint can be proved from the files alone. */
function expectSound(place: string, size: number): void {
  const head = checkpointIn(place);
  expect(head).toMatchObject({ size, root: twin.root(size) });
  const { tiles } = open(place);
  for (const index of [0, 1, size >> 1, size - 1]) {
    verifyInclusion(twin.leaves[index] ?? Buffer.alloc(0), index, head, inclusionProof(new StoredTree(tiles, size), index));
  }
}

describe.each(["publish", "publishSync"] as const)("%s", (way) => {
  test("leaves a signed checkpoint, its tiles and the verifier key, for the owner alone", async () => {
    const place = folder();
    const publisher = open(place);
    feed(publisher, 300);
    const published = await publisher[way]();
    expect(published).toMatchObject({ origin: ORIGIN, size: 300, root: twin.root(300) });
    expect(filesIn(place)).toEqual(["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "vkey"]);
    expect(readFileSync(join(place, "checkpoint"), "utf8")).toBe(published.note);
    expect(readFileSync(join(place, "vkey"), "utf8")).toBe(`${signer.vkey}\n`);
    for (const file of filesIn(place)) expect(statSync(join(place, file)).mode & 0o777, file).toBe(0o600);
    expectSound(place, 300);
  });

  test("adds what is new, and drops partial tiles that became full", async () => {
    const place = folder();
    const publisher = open(place);
    for (const size of [10, 200, 200, 256, 600]) {
      feed(publisher, size);
      await publisher[way]();
      expectSound(place, size);
    }
    expect(filesIn(place)).toEqual(["checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/1", "tile/1/000.p/2", "vkey"]);
  });

  test("signs nothing where nothing is new", async () => {
    const publisher = open(publishedFolder(20));
    const first = publisher.published;
    expect((await publisher[way]()).note).toBe(first?.note);
  });

  test("signs the empty tree when asked to", async () => {
    const place = folder();
    expect((await open(place)[way]()).size).toBe(0);
    const publisher = open(place);
    feed(publisher, 3);
    await publisher[way]();
    expectSound(place, 3);
  });

  test("whatever fails, leaves the old checkpoint or the new one, and tiles for it", async () => {
    for (let failing = 0; ; failing += 1) {
      const place = publishedFolder(250);
      const { fs: files, failed } = failingFs(failing);
      const error = await publishAt(place, files, way, 530).catch((failure: unknown) => failure);
      const { size } = checkpointIn(place);
      expect([250, 530]).toContain(size);
      expectSound(place, size);
      // The next run goes on as if nothing had been.
      await publishAt(place, NODE_TLOG_FS, way, 540);
      expectSound(place, 540);
      if (!failed()) {
        expect(size).toBe(530);
        break;
      }
      expect(error, `operation ${failing}`).toMatchObject({ code: "EIO" });
    }
  }, 120_000);

  test("works again after it failed, in the same run", async () => {
    const place = publishedFolder(250);
    const publisher = open(place, failingFs(8).fs);
    feed(publisher, 530);
    await expect((async () => publisher[way]())()).rejects.toMatchObject({ code: "EIO" });
    await publisher[way]();
    expectSound(place, 530);
  });

  test("does not sign a log that is shorter than its checkpoint", async () => {
    const place = publishedFolder(300);
    rmSync(join(place, "tile"), { recursive: true });
    const publisher = open(place);
    feed(publisher, 299);
    expect(publisher.unpublished).toBe(-1);
    expect(await laterCodeOf((async () => publisher[way]())())).toBe("INCONSISTENT");
    expect(checkpointIn(place).size).toBe(300);
  });

  test("does not sign what the tiles on disk do not prove", async () => {
    const place = publishedFolder(300);
    const publisher = open(place);
    const tile = join(place, "tile/1/000.p/1");
    writeFileSync(tile, flipped(readFileSync(tile), 77));
    feed(publisher, 310);
    expect(await laterCodeOf((async () => publisher[way]())())).toBe("INCONSISTENT");
    expect(checkpointIn(place).size).toBe(300);
  });
});

test("every file is synced before it has its name, and its folder after", () => {
  const place = publishedFolder(250);
  const { fs: files, trace } = failingFs(Infinity);
  const publisher = open(place, files);
  feed(publisher, 530);
  trace.length = 0;
  publisher.publishSync();
  // Two full tiles, a partial one of each level; five folders: tile/0, its 002.p, tile/1, its 000.p, and tile, which tile/1 is new in.
  const written = ["open", "fdatasync", "rename"];
  const reads = trace.filter((step) => step === "read");
  expect(trace.filter((step) => step !== "read").join(" ")).toBe([
    ...Array.from({ length: 4 }, () => written).flat(),
    ...Array.from({ length: 5 }, () => ["fsync"]).flat(), "rm", "rm",
    ...written, "fsync",
  ].join(" "));
  expect(reads.length).toBeGreaterThan(0);
});

describe("a publisher that is opened again", () => {
  test.each([0, 1, 255, 256, 257, 1_000])("goes on after %d records", (size) => {
    const place = publishedFolder(size);
    const publisher = open(place);
    expect(publisher.size).toBe(size);
    feed(publisher, 1_100);
    publisher.publishSync();
    expectSound(place, 1_100);
  });

  test.each(["tile/0/001.p/44", "tile/1/000.p/1"])("begins with record 0 where %s is missing, changed or cut", (path) => {
    for (const damage of [rmSync, flipFile, cutFile]) {
      const place = publishedFolder(300);
      damage(join(place, path));
      const publisher = open(place);
      expect(publisher.size).toBe(0);
      publisher.catchUp(twin.leaves.slice(0, 310));
      publisher.publishSync();
      expectSound(place, 310);
    }
  });

  test("notices that the log was changed behind its checkpoint", () => {
    const place = publishedFolder(300);
    rmSync(join(place, "tile"), { recursive: true });
    const leaves = twin.leaves.map((leaf, i) => (i === 17 ? flipped(leaf, 0) : leaf));
    expect(codeOf(() => { open(place).catchUp(leaves.slice(0, 299)); })).toBe("none");
    expect(codeOf(() => { open(place).catchUp(leaves); })).toBe("INCONSISTENT");
  });

  test("makes the tiles of a long log without keeping them", () => {
    const place = folder();
    const publisher = open(place);
    publisher.catchUp(leavesOf(256 * 300));
    expect(readdirSync(join(place, "tile/0")).length).toBeGreaterThan(250);
    expect(publisher.size).toBe(256 * 300);
  }, 120_000);

  test("refuses a checkpoint of another key or log, or one that was changed", () => {
    const place = publishedFolder(5);
    const stranger = new NoteSigner(ORIGIN, generatePrivateKey());
    const other = new NoteSigner("other.example", generatePrivateKey());
    expect(codeOf(() => Publisher.open({ folder: place, origin: ORIGIN, signers: [stranger] }))).toBe("UNSIGNED");
    expect(codeOf(() => Publisher.open({ folder: place, origin: "other.example", signers: [other, signer] }))).toBe("WRONG_ORIGIN");
    writeFileSync(join(place, "checkpoint"), readFileSync(join(place, "checkpoint"), "utf8").replace("\n5\n", "\n6\n"));
    expect(codeOf(() => open(place))).toBe("BAD_SIGNATURE");
    writeFileSync(join(place, "checkpoint"), "");
    expect(codeOf(() => open(place))).toBe("MALFORMED");
  });

  test("does not follow a symbolic link", () => {
    const place = publishedFolder(5);
    cpSync(join(place, "checkpoint"), join(place, "elsewhere"));
    rmSync(join(place, "checkpoint"));
    symlinkSync("elsewhere", join(place, "checkpoint"));
    expect(() => open(place)).toThrow(/ELOOP/);
  });

  test("signs with a new key next to the old one", () => {
    const place = publishedFolder(5);
    const newer = new NoteSigner(ORIGIN, generatePrivateKey());
    const publisher = Publisher.open({ folder: place, origin: ORIGIN, signers: [newer, signer] });
    feed(publisher, 9);
    const { note } = publisher.publishSync();
    for (const key of [newer, signer]) expect(openCheckpoint(note, ORIGIN, [key.verifier()]).size).toBe(9);
    expect(readFileSync(join(place, "vkey"), "utf8")).toBe(`${newer.vkey}\n${signer.vkey}\n`);
    expect(Publisher.open({ folder: place, origin: ORIGIN, signers: [newer] }).size).toBe(9);
  });
});

describe("a checkpoint on disk", () => {
  test("never goes back when the process ends while a slow one is written", async () => {
    const place = folder();
    const publisher = open(place);
    feed(publisher, 100);
    const slow = publisher.publish();
    feed(publisher, 150);
    const last = publisher.publishSync();
    expect((await slow).note).toBe(last.note);
    expectSound(place, 150);
  });

  test("never goes back when the process ends just before the slow one gets its name", async () => {
    const place = folder();
    let atLast = (): void => undefined;
    const watched: TlogFs["promises"]["open"] = (path, ...rest) => {
      if (String(path).includes("checkpoint")) atLast();
      return fs.promises.open(path, ...rest);
    };
    const publisher = open(place, { ...NODE_TLOG_FS, promises: { ...fs.promises, open: watched } });
    feed(publisher, 100);
    atLast = () => {
      feed(publisher, 150);
      publisher.publishSync();
    };
    expect((await publisher.publish()).size).toBe(150);
    expectSound(place, 150);
  });

  test("is the last one when many are asked for at once", async () => {
    const place = folder();
    const publisher = open(place);
    const all: Promise<Published>[] = [];
    for (const size of [10, 300, 301, 700]) {
      feed(publisher, size);
      all.push(publisher.publish());
    }
    expect((await Promise.all(all)).at(-1)?.size).toBe(700);
    expectSound(place, 700);
  });

  test("gains the signatures of witnesses, unless a newer one took its place", async () => {
    const place = folder();
    const publisher = open(place);
    const witness = new Cosigner("witness.example/w1", generatePrivateKey(), () => 1_700_000_000);
    feed(publisher, 10);
    const about = await publisher.publish();
    const text = about.note.slice(0, about.note.indexOf("\n\n") + 1);
    const cosignature = { name: witness.name, keyId: witness.keyId, signature: witness.sign(text) };
    expect(await publisher.addCosignatures(about, [cosignature])).toBe(true);
    const note = readFileSync(join(place, "checkpoint"));
    expect(openNote(note, [new CosignatureVerifier(witness.vkey), signer.verifier()]).verified).toHaveLength(2);
    expect(open(place).size).toBe(10);
    feed(publisher, 11);
    await publisher.publish();
    expect(await publisher.addCosignatures(about, [cosignature])).toBe(false);
    expectSound(place, 11);
  });
});

async function publishAt(place: string, files: TlogFs, way: "publish" | "publishSync", size: number): Promise<void> {
  const publisher = open(place, files);
  feed(publisher, size);
  await publisher[way]();
}

/** The real file system, but its nth operation fails, once. Files are stored by the twin of the native call, whose own failures store-files.test.ts has. */
function failingFs(nth: number): { fs: TlogFs; failed: () => boolean; trace: string[] } {
  let count = 0;
  const trace: string[] = [];
  const tick = (step: string): void => {
    trace.push(step);
    if (count++ === nth) throw Object.assign(new Error("EIO: injected"), { code: "EIO" });
  };
  const handle = async (path: fs.PathLike, flags?: string | number, mode?: fs.Mode): Promise<FileHandle> => {
    tick("open");
    const file = await fs.promises.open(path, flags, mode);
    const datasync = file.datasync.bind(file);
    const sync = file.sync.bind(file);
    return Object.assign(file, { datasync: async () => { tick("fdatasync"); await datasync(); }, sync: async () => { tick("fsync"); await sync(); } });
  };
  const failing: TlogFs = {
    ...NODE_TLOG_FS,
    openSync: (path, flags, mode) => { tick(mode === undefined ? "read" : "open"); return fs.openSync(path, flags, mode); },
    fdatasyncSync: (fd) => { tick("fdatasync"); fs.fdatasyncSync(fd); },
    fsyncSync: (fd) => { tick("fsync"); fs.fsyncSync(fd); },
    renameSync: (from, to) => { tick("rename"); fs.renameSync(from, to); },
    rmSync: (path, options) => { tick("rm"); fs.rmSync(path, options); },
    storeFiles: async (files) => { await Promise.resolve(); writeFilesSync(failing, files); },
    promises: {
      open: handle,
      rm: async (path, options) => { tick("rm"); await fs.promises.rm(path, options); },
    },
  };
  return { fs: failing, failed: () => count > nth, trace };
}

function flipFile(path: string): void {
  writeFileSync(path, flipped(readFileSync(path), 3));
}

function cutFile(path: string): void {
  writeFileSync(path, readFileSync(path).subarray(1));
}

test("a folder without a log gets no tile", () => {
  const place = folder();
  open(place);
  expect(existsSync(join(place, "tile"))).toBe(false);
});
