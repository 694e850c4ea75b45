import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Frontier } from "../../lib/tlog/frontier.ts";
import { EMPTY_ROOT, leafHash, nodeHash } from "../../lib/tlog/hash.ts";
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from "../../lib/tlog/proof.ts";
import { StoredTree } from "../../lib/tlog/tile-source.ts";
import { codeOf, flipped, leavesOf, MemoryTiles, tilesOf, treeOf } from "./support.ts";
import { Twin } from "./twin.ts";

const SMALL_MAX = 300;
const LARGE_MAX = 2_000;
/** Beyond a full tile of level 1, so that level 2 begins. */
const twin = new Twin(leavesOf(LARGE_MAX));
const tiles = tilesOfAllSizes(LARGE_MAX);

/** The records and roots of the reference implementation of Certificate Transparency. */
const REFERENCE_RECORDS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const REFERENCE_ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

describe("the root", () => {
  test("is that of the reference implementation for its eight records", () => {
    const frontier = new Frontier();
    const roots = REFERENCE_RECORDS.map((hex) => {
      frontier.append(leafOf(Buffer.from(hex, "hex")));
      return frontier.root().toString("hex");
    });
    expect(roots).toEqual(REFERENCE_ROOTS);
  });

  test("of no records is the hash of nothing", () => {
    expect(new Frontier().root().toString("hex")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  test("agrees with the recursive definition at every size up to 300", () => {
    const frontier = new Frontier();
    for (let size = 0; size <= SMALL_MAX; size += 1) {
      expect(frontier.root(), `size ${size}`).toEqual(twin.root(size));
      frontier.append(twin.leaves[size] ?? EMPTY_ROOT);
    }
  });

  test("does not depend on where the growing was interrupted", () => {
    fc.assert(fc.property(fc.nat(LARGE_MAX), fc.nat(LARGE_MAX), (a, b) => {
      const [first, last] = [Math.min(a, b), Math.max(a, b)];
      const before = new Frontier();
      for (const leaf of twin.leaves.slice(0, first)) before.append(leaf);
      const after = Frontier.restore(first, before.hashes);
      for (const leaf of twin.leaves.slice(first, last)) after.append(leaf);
      expect(after.root()).toEqual(twin.root(last));
    }), { numRuns: 30 });
  });

  test("is not restored from an edge that does not fit the size", () => {
    expect(codeOf(() => Frontier.restore(3, [EMPTY_ROOT]))).toBe("MALFORMED");
    expect(codeOf(() => Frontier.restore(1, [EMPTY_ROOT.subarray(1)]))).toBe("MALFORMED");
    expect(codeOf(() => Frontier.restore(-1, []))).toBe("OUT_OF_RANGE");
    expect(codeOf(() => Frontier.restore(2 ** 53, []))).toBe("OUT_OF_RANGE");
  });

  test("grows past 2^32 records", () => {
    const edge = Array.from({ length: 33 }, (_, i) => leafOf(Buffer.of(i)));
    const frontier = Frontier.restore(2 ** 33 - 1, edge);
    const last = leafOf(Buffer.from("last"));
    frontier.append(last);
    expect(frontier.size).toBe(2 ** 33);
    expect(frontier.hashes).toHaveLength(1);
    expect(frontier.root()).toEqual(edge.reduceRight((right, left) => nodeHash(left, right), last));
  });
});

describe("inclusion", () => {
  test("is proved as the recursive definition does, at every size up to 300", () => {
    for (let size = 1; size <= SMALL_MAX; size += 1) {
      for (const index of indexesOf(size)) proveInclusion(index, size);
    }
  }, 120_000);

  test("is proved at random sizes", () => {
    fc.assert(fc.property(place(LARGE_MAX), ({ index, size }) => { proveInclusion(index, size); }), { numRuns: 150 });
  });

  test("does not hold with any bit of the proof, the root or the leaf turned", () => {
    fc.assert(fc.property(place(SMALL_MAX), fc.nat(), fc.nat(), ({ index, size }, which, bit) => {
      const hashes = twin.path(index, 0, size);
      const all = [twin.root(size), twin.leaves[index] ?? EMPTY_ROOT, ...hashes];
      const victim = which % all.length;
      const [root = EMPTY_ROOT, leaf = EMPTY_ROOT, ...proof] = all.map((hash, i) => (i === victim ? flipped(hash, bit) : hash));
      expect(codeOf(() => { verifyInclusion(leaf, index, { size, root }, proof); })).toBe("PROOF_FAILED");
    }));
  });

  test("does not hold for another place, nor with a hash more or less", () => {
    fc.assert(fc.property(place(SMALL_MAX), fc.nat(SMALL_MAX), ({ index, size }, other) => {
      const proof = twin.path(index, 0, size);
      const leaf = twin.leaves[index] ?? EMPTY_ROOT;
      const head = { size, root: twin.root(size) };
      const claims = [
        ...(other !== index && other < size ? [() => { verifyInclusion(leaf, other, head, proof); }] : []),
        ...(proof.length > 0 ? [() => { verifyInclusion(leaf, index, head, proof.slice(1)); }, () => { verifyInclusion(leaf, index, head, proof.slice(0, -1)); }] : []),
        () => { verifyInclusion(leaf, index, head, [...proof, EMPTY_ROOT]); },
      ];
      for (const claim of claims) expect(codeOf(claim)).toBe("PROOF_FAILED");
    }));
  });

  test("does not lead past the root of a tree that was made smaller than it is", () => {
    const [leaf = EMPTY_ROOT, sibling = EMPTY_ROOT] = twin.leaves;
    expect(codeOf(() => { verifyInclusion(leaf, 0, { size: 1, root: nodeHash(sibling, leaf) }, [sibling]); })).toBe("PROOF_FAILED");
  });

  test("is neither proved nor believed beyond the tree", () => {
    for (const index of [5, -1, 0.5, NaN]) {
      expect(codeOf(() => inclusionProof(new StoredTree(tiles, 5), index)), `${index}`).toBe("OUT_OF_RANGE");
      expect(codeOf(() => { verifyInclusion(EMPTY_ROOT, index, { size: 5, root: EMPTY_ROOT }, []); })).toBe("OUT_OF_RANGE");
    }
    expect(codeOf(() => inclusionProof(new StoredTree(tiles, 0), 0))).toBe("OUT_OF_RANGE");
  });
});

describe("consistency", () => {
  test("is proved as the recursive definition does, at every size up to 300", () => {
    for (let size = 1; size <= SMALL_MAX; size += 1) {
      for (const old of [...indexesOf(size), size]) proveConsistency(old, size);
    }
  }, 120_000);

  test("is proved at random sizes", () => {
    fc.assert(fc.property(place(LARGE_MAX), ({ index, size }) => { proveConsistency(index, size); }), { numRuns: 150 });
  });

  test("does not hold with any bit of the proof or of either root turned", () => {
    fc.assert(fc.property(place(SMALL_MAX), fc.nat(), fc.nat(), ({ index: old, size }, which, bit) => {
      const all = [twin.root(old), twin.root(size), ...(old === 0 ? [] : twin.subproof(old, 0, size, true))];
      // Any tree continues the empty one, so its root is not compared with anything.
      const victim = old === 0 ? 0 : which % all.length;
      const [before = EMPTY_ROOT, after = EMPTY_ROOT, ...proof] = all.map((hash, i) => (i === victim ? flipped(hash, bit) : hash));
      expect(codeOf(() => { verifyConsistency({ size: old, root: before }, { size, root: after }, proof); })).toBe("INCONSISTENT");
    }));
  });

  test("does not hold with a hash more or less", () => {
    fc.assert(fc.property(place(SMALL_MAX), ({ index: old, size }) => {
      const heads = [{ size: old, root: twin.root(old) }, { size, root: twin.root(size) }] as const;
      const proof = old === 0 ? [] : twin.subproof(old, 0, size, true);
      const wrong = [[...proof, EMPTY_ROOT], ...(proof.length > 0 ? [proof.slice(1), proof.slice(0, -1), []] : [])];
      for (const hashes of wrong) expect(codeOf(() => { verifyConsistency(...heads, hashes); })).toBe("INCONSISTENT");
    }));
  });

  test("of two trees of one size is that they are the same", () => {
    const head = { size: 7, root: twin.root(7) };
    expect(codeOf(() => { verifyConsistency(head, head, []); })).toBe("none");
    expect(codeOf(() => { verifyConsistency(head, { size: 7, root: twin.root(6) }, []); })).toBe("INCONSISTENT");
  });

  test("does not run backwards", () => {
    expect(codeOf(() => consistencyProof(new StoredTree(tiles, 5), 6))).toBe("OUT_OF_RANGE");
    expect(codeOf(() => { verifyConsistency({ size: 6, root: twin.root(6) }, { size: 5, root: twin.root(5) }, []); })).toBe("OUT_OF_RANGE");
  });
});

function proveInclusion(index: number, size: number): void {
  const proof = inclusionProof(new StoredTree(tiles, size), index);
  expect(proof, `record ${index} of ${size}`).toEqual(twin.path(index, 0, size));
  verifyInclusion(twin.leaves[index] ?? EMPTY_ROOT, index, { size, root: twin.root(size) }, proof);
}

function proveConsistency(old: number, size: number): void {
  const proof = consistencyProof(new StoredTree(tiles, size), old);
  expect(proof, `${old} in ${size}`).toEqual(old === 0 ? [] : twin.subproof(old, 0, size, true));
  verifyConsistency({ size: old, root: twin.root(old) }, { size, root: twin.root(size) }, proof);
}

/** Every one in a small tree; in a larger one those at its ends, its middle and the ends of its tile. */
function indexesOf(size: number): number[] {
  if (size <= 40) return [...Array(size).keys()];
  return [...new Set([0, 1, size >> 1, size - 2, size - 1, 127, 128, 255, 256])].filter((index) => index < size);
}

function place(sizeMax: number): fc.Arbitrary<{ index: number; size: number }> {
  return fc.integer({ min: 1, max: sizeMax }).chain((size) => fc.nat(size - 1).map((index) => ({ index, size })));
}

/** One store with every partial tile of every size in it. */
function tilesOfAllSizes(sizeMax: number): MemoryTiles {
  const all = tilesOf([]);
  const tree = treeOf([]);
  for (const leaf of twin.leaves.slice(0, sizeMax)) {
    tree.append(leaf);
    all.store(tree);
  }
  return all;
}

function leafOf(record: Buffer): Buffer {
  return Buffer.from(leafHash(record), "hex");
}

test("a record has one leaf hash, as text and as bytes", () => {
  for (const record of ["", "{}", "\u00e8"]) expect(leafHash(record)).toBe(leafHash(Buffer.from(record)));
});
