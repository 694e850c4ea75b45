/**
 * A process that is killed at any moment: between a record and its checkpoint, between a tile and the checkpoint that needs it. Every
 * checkpoint that anybody ever saw in the folder must be one of the final trail.
 */
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { trailLines } from "../../lib/audit/records.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { openCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { Frontier } from "../../lib/tlog/frontier.ts";
import { NoteVerifier } from "../../lib/tlog/signer.ts";
import { compiledLibrary, death, denial, newFolder, startProgram } from "./support.ts";

const ROUNDS = 24;
const WRITER = `
  const log = await AuditLog.open(dir, { segmentBytes: 65_536, checkpoints: { everySeconds: 0.005, everyRecords: 30 } });
  process.stdout.write("open\\n");
  for (let i = 0; ; i += 1) await Promise.all([log.emit(loaded("a-" + i)), log.emit(denial("b-" + i)), log.emit(loaded("c-" + i))]);`;

let home: string;
beforeAll(() => { home = compiledLibrary(); });
afterAll(() => { rmSync(home, { recursive: true, force: true }); });

test("a process killed at random moments leaves a trail that opens, verifies, and continues every checkpoint ever seen", async () => {
  const dir = newFolder();
  const seen = new Set<string>();
  const look = (): void => {
    try {
      seen.add(readFileSync(join(dir, "checkpoint"), "utf8"));
    } catch (failure) {
      if ((failure as NodeJS.ErrnoException).code !== "ENOENT") throw failure;
    }
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const child = startProgram(home, dir, WRITER);
    const ended = death(child);
    await once(child.stdout ?? child, "data");
    const end = performance.now() + Math.random() * 120;
    while (performance.now() < end) {
      look();
      await sleep(1);
    }
    child.kill("SIGKILL");
    expect((await ended).signal).toBe("SIGKILL");
    look();
    // Every other time the next process finds what the killed one left.
    if (round % 2 === 1) continue;
    const log = await AuditLog.open(dir);
    await log.emit(denial(`round ${round}`));
    await log[round % 4 === 0 ? Symbol.asyncDispose : Symbol.dispose]();
    look();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true, checkpoint: { size: log.size } });
  }
  const log = await AuditLog.open(dir);
  await log[Symbol.asyncDispose]();
  const { origin = "", ...report } = await verifyTrail(dir);
  expect(report.damage).toBeUndefined();
  const [vkey = ""] = readFileSync(join(dir, "vkey"), "utf8").split("\n");
  const heads = [...seen].map((note) => openCheckpoint(note, origin, [new NoteVerifier(vkey)]));
  expect(heads.length).toBeGreaterThan(ROUNDS);
  const roots = new Map(heads.map(({ size, root }) => [size, root.toString("hex")]));
  const tree = new Frontier();
  let checked = 0;
  for await (const lines of trailLines(dir)) {
    for (const { leaf } of lines) {
      tree.append(Buffer.from(leaf, "hex"));
      const root = roots.get(tree.size);
      if (root === undefined) continue;
      expect(tree.root().toString("hex"), `checkpoint of ${tree.size}`).toBe(root);
      checked += 1;
    }
  }
  expect(checked).toBe(roots.size);
}, 120_000);
