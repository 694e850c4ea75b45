/**
 * What the tree costs, in numbers; every result is checked. Needs a build.
 *
 *     node test/tlog/bench.mjs [FOLDER OF THE BUILD]
 */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const build = resolve(process.argv[2] ?? new URL("../../dist", import.meta.url).pathname);
const tlog = await import(pathToFileURL(join(build, "tlog/index.js")).href);
const COUNT = 262_144;
const ROUNDS = 5;

const leaves = Array.from({ length: COUNT }, (_, i) => createHash("sha256").update(String(i)).digest());
const root = twin(leaves);

/** The best of some rounds: what the code costs, not what else the machine did. */
async function time(name, unit, count, action) {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    await action(round);
    best = Math.min(best, performance.now() - start);
  }
  const each = (best / count) * 1e3;
  console.log(`${name.padEnd(44)} ${each.toFixed(2).padStart(9)} us a ${unit} ${Math.round(1e6 / each).toString().padStart(10)}/s`);
}

await time("append to the edge (root only)", "record", COUNT, () => {
  const frontier = new tlog.Frontier();
  for (const leaf of leaves) frontier.append(leaf);
  assert(frontier.root().equals(root));
});
await time("append to the tree (with tiles)", "record", COUNT, () => {
  const tree = new tlog.LogTree();
  for (const leaf of leaves) tree.append(leaf);
  assert(tree.root().equals(root));
  assert.equal(tree.unstored().length, 1024 + 4 + 1);
});

const place = mkdtempSync(join(tmpdir(), "model-loader-tlog-bench-"));
try {
  const signer = new tlog.NoteSigner("bench.example/log", tlog.generatePrivateKey());
  const publisher = tlog.Publisher.open({ folder: place, origin: signer.name, signers: [signer] });
  const start = performance.now();
  publisher.catchUp(leaves.slice(0, -1000));
  publisher.publishSync();
  console.log(`catch up with ${COUNT - 1000} records, tiles on disk: ${(performance.now() - start).toFixed(0)} ms`);
  const rest = leaves.slice(-1000);
  await time("publishSync after one record", "checkpoint", 100, (round) => {
    for (let i = 0; i < 100; i += 1) {
      publisher.append(rest[round * 100 + i]);
      publisher.publishSync();
    }
  });
  await time("publish (thread pool) after one record", "checkpoint", 100, async (round) => {
    for (let i = 0; i < 100; i += 1) {
      publisher.append(rest[500 + round * 100 + i]);
      await publisher.publish();
    }
  });
  assert(publisher.root().equals(root));
  const { note } = publisher.published;
  const key = signer.verifier();
  await time("prove a record from tiles on disk", "proof", 500, () => {
    for (let i = 0; i < 500; i += 1) tlog.buildProof(publisher.tiles, i * 500, leaves[i * 500], note);
  });
  const proof = tlog.buildProof(publisher.tiles, 77_777, leaves[77_777], note);
  await time("verify a proof", "proof", 500, () => {
    for (let i = 0; i < 500; i += 1) tlog.verifyProof(proof, leaves[77_777], { origin: signer.name, logKeys: [key] });
  });
  await time("open again after a clean end", "opening", 20, () => {
    for (let i = 0; i < 20; i += 1) assert.equal(tlog.Publisher.open({ folder: place, origin: signer.name, signers: [signer] }).size, COUNT);
  });
} finally {
  rmSync(place, { recursive: true });
}

/** Hash by hash, without this project's code. */
function twin(row) {
  while (row.length > 1) row = Array.from({ length: row.length / 2 }, (_, i) => createHash("sha256").update(Buffer.of(1)).update(row[2 * i]).update(row[2 * i + 1]).digest());
  return row[0];
}
