import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatBundle, parseBundle } from "../../lib/tlog/entry-bundle.ts";
import { EMPTY_ROOT } from "../../lib/tlog/hash.ts";
import { LogTree } from "../../lib/tlog/log-tree.ts";
import { entriesPath, parseEntriesPath, parseTilePath, partialTiles, tileAt, tilePath } from "../../lib/tlog/tile.ts";
import { StoredTree } from "../../lib/tlog/tile-source.ts";
import { codeOf, leavesOf, MemoryTiles, tilesOf, treeOf } from "./support.ts";
import { Twin } from "./twin.ts";

describe("the path of a tile", () => {
  test.each([
    ["tile/0/000", { level: 0, index: 0, width: 256 }],
    ["tile/0/x001/x234/067", { level: 0, index: 1_234_067, width: 256 }],
    ["tile/0/x001/x234/067.p/1", { level: 0, index: 1_234_067, width: 1 }],
    ["tile/63/999.p/255", { level: 63, index: 999, width: 255 }],
    ["tile/1/x001/000", { level: 1, index: 1000, width: 256 }],
  ])("%s", (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  test.each([
    "tile/0/0", "tile/0/1000", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/x000/000", "tile/0/x000/001", "tile/0/001/002",
    "tile/0/x001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/entries/000",
    "/tile/0/000", "tile/0/000/", "tile/0/000\n", "tile/0/x999/x999/x999/x999/x999/999", "tile/8/0/000", "",
  ])("is never %j", (path) => {
    expect(codeOf(() => parseTilePath(path))).toBe("MALFORMED");
  });

  test("and its parser are each other's reverse", () => {
    const tiles = fc.record({ level: fc.nat(63), index: fc.nat(2 ** 45), width: fc.integer({ min: 1, max: 256 }) });
    fc.assert(fc.property(tiles, (tile) => {
      expect(parseTilePath(tilePath(tile))).toEqual(tile);
      const { index, width } = tile;
      expect(parseEntriesPath(entriesPath(tile))).toEqual({ index, width });
    }));
  });
});

describe("the tiles of a tree", () => {
  test("of 70,000 records are those of the specification's example", () => {
    expect(partialTiles(70_000)).toEqual([
      { level: 0, index: 273, width: 112 }, { level: 1, index: 1, width: 17 }, { level: 2, index: 0, width: 1 },
    ]);
    const paths = [...tilesOf(leavesOf(70_000)).files.keys()];
    expect(paths.filter((path) => /^tile\/0\/\d{3}$/.test(path))).toHaveLength(273);
    expect(paths.filter((path) => !path.startsWith("tile/0/"))).toEqual(["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
    expect(paths).toHaveLength(273 + 1 + 3);
  });

  test("of 256 records are a full one and one hash above it", () => {
    expect([...tilesOf(leavesOf(256)).files.keys()]).toEqual(["tile/0/000", "tile/1/000.p/1"]);
  });

  test("hold the hashes that the definition names", () => {
    const twin = new Twin(leavesOf(1_000));
    const { files } = tilesOf(twin.leaves);
    for (const [path, hashes] of files) {
      const { level, index, width } = parseTilePath(path);
      const unit = 256 ** level;
      const wanted = Array.from({ length: width }, (_, i) => twin.mth((index * 256 + i) * unit, (index * 256 + i + 1) * unit));
      expect(hashes, path).toEqual(Buffer.concat(wanted));
    }
  });

  test("are handed out once, and only what is new", () => {
    const tree = treeOf(leavesOf(300));
    const first = tree.unstored();
    expect(first.map(({ tile }) => tilePath(tile))).toEqual(["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]);
    tree.stored(first);
    expect(tree.unstored()).toEqual([]);
    for (const leaf of leavesOf(1)) tree.append(leaf);
    expect(tree.unstored().map(({ tile }) => tilePath(tile))).toEqual(["tile/0/001.p/45"]);
    expect(tree.unstored()).toHaveLength(1);
  });

  test("are new again in the next tile, at the width at which the last one was stored", () => {
    const tree = treeOf(leavesOf(200));
    tree.stored(tree.unstored());
    for (const leaf of leavesOf(256)) tree.append(leaf);
    expect(tree.unstored().map(({ tile }) => tilePath(tile))).toEqual(["tile/0/000", "tile/0/001.p/200", "tile/1/000.p/1"]);
  });

  test("are the same of leaves one by one and of many at once", () => {
    const leaves = leavesOf(1_000);
    const [one, many] = [new LogTree(), new LogTree()];
    for (const leaf of leaves) one.append(leaf);
    for (let from = 0, count = 1; from < leaves.length; from += count, count = (count * 7) % 601) many.append(Buffer.concat(leaves.slice(from, from + count)));
    expect(many.size).toBe(1_000);
    expect(many.root()).toEqual(one.root());
    expect(many.unstored()).toEqual(one.unstored());
    expect(() => { many.append(Buffer.alloc(33)); }).toThrow(RangeError);
  });

  test("that waited too long are let go, and that is said", () => {
    const [leaf = EMPTY_ROOT] = leavesOf(1);
    const tree = new LogTree();
    // 4,081 tiles of records and 15 of level 1.
    for (let i = 0; i < 256 * 4_081; i += 1) tree.append(leaf);
    expect(tree.waiting).toBe(4_096);
    expect(tree.unstored().length).toBeGreaterThan(4_096);
    for (let i = 0; i < 256; i += 1) tree.append(leaf);
    expect(codeOf(() => tree.unstored())).toBe("TILES_BEHIND");
    expect(tree.waiting).toBe(0);
  }, 120_000);

  test("let the tree go on at any size", () => {
    const twin = new Twin(leavesOf(1_500));
    fc.assert(fc.property(fc.nat(1_500), (size) => {
      const tree = LogTree.load(tilesOf(twin.leaves.slice(0, size)), size);
      expect(tree.root()).toEqual(twin.root(size));
      for (const leaf of twin.leaves.slice(size)) tree.append(leaf);
      expect(tree.root()).toEqual(twin.root(1_500));
      const [stored, whole] = [tilesOf(twin.leaves.slice(0, size)), tilesOf(twin.leaves)];
      stored.store(tree);
      for (const [path, hashes] of whole.files) expect(stored.files.get(path), path).toEqual(hashes);
    }), { numRuns: 15 });
  });

  test("give the hash of every range that has one", () => {
    const twin = new Twin(leavesOf(700));
    const tree = new StoredTree(tilesOf(twin.leaves), 700);
    for (const [from, to] of [[0, 700], [0, 256], [256, 512], [512, 700], [640, 656], [699, 700], [0, 1]] as const) {
      expect(tree.hash({ from, to }), `${from}..${to}`).toEqual(twin.mth(from, to));
    }
    expect(codeOf(() => tree.hash({ from: 696, to: 704 }))).toBe("OUT_OF_RANGE");
    expect(codeOf(() => tileAt(1, 1, 700))).toBe("OUT_OF_RANGE");
  });

  test("are refused when they are of another length than their width", () => {
    const tiles = new MemoryTiles();
    tiles.files.set("tile/0/000.p/5", Buffer.alloc(4 * 32));
    expect(codeOf(() => new StoredTree(tiles, 5).hash({ from: 0, to: 4 }))).toBe("MALFORMED");
  });
});

describe("an entry bundle", () => {
  test("gives back the records", () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 256 });
    fc.assert(fc.property(entries, (records) => {
      expect(parseBundle(formatBundle(records))).toEqual(records.map((one) => Buffer.from(one)));
    }), { numRuns: 30 });
  });

  test("holds records up to 65,535 bytes, and 256 of them", () => {
    expect(parseBundle(formatBundle([Buffer.alloc(65_535)]))).toHaveLength(1);
    expect(codeOf(() => formatBundle([Buffer.alloc(65_536)]))).toBe("OUT_OF_RANGE");
    expect(codeOf(() => formatBundle(Array<Buffer>(257).fill(Buffer.alloc(1))))).toBe("OUT_OF_RANGE");
  });

  test.each([["00"], ["0002aa"], ["0001aaff"]])("that is cut (%s) is refused", (hex) => {
    expect(codeOf(() => parseBundle(Buffer.from(hex, "hex")))).toBe("MALFORMED");
  });

  test("of more than 256 records is refused", () => {
    expect(codeOf(() => parseBundle(Buffer.alloc(2 * 257)))).toBe("MALFORMED");
  });
});
