/** `model-loader verify --state`: the second verification is proven by tiles, and what is wrong with the folder is told. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { sparseModel } from "../fixtures/models.mjs";
import { cli, folder, line } from "./support.ts";

const MODEL = sparseModel(5 * 256 * 1024 + 64).bytes();
const SHA256 = createHash("sha256").update(MODEL).digest("hex");

let home: string;

beforeEach(async () => {
  home = await folder();
  writeFileSync(join(home, "m.gguf"), MODEL);
});

async function verified(...more: string[]): Promise<Record<string, unknown>> {
  const { code, stdout } = await cli(["verify", "--json", "--state", "state", "--sha256", SHA256, ...more, "m.gguf"], home);
  return { ...line(stdout), exit: code };
}

test("the first run records, the second is proven by it and says so", async () => {
  expect(await verified()).toMatchObject({ exit: 0, proof: "sha256", sha256: SHA256 });
  const second = await verified();
  expect(second).toMatchObject({ exit: 0, proof: "tiles", sha256: SHA256, digestExpected: true });
  expect(Date.now() - Date.parse(String(second["recordedAt"]))).toBeLessThan(600_000);
  expect(readdirSync(join(home, "state")).sort()).toEqual(["record.key", "records"]);
  expect(statSync(join(home, "state/record.key")).mode & 0o777).toBe(0o600);
  const { stdout } = await cli(["verify", "--state", "state", "--sha256", SHA256, "m.gguf"], home);
  expect(stdout).toContain("proven by its tiles");
});

test("--flat-digest always computes the SHA-256 all the same", async () => {
  await verified();
  expect(await verified("--flat-digest", "always")).toMatchObject({ exit: 0, proof: "sha256" });
  expect(await verified("--flat-digest=unless-recorded")).toMatchObject({ exit: 0, proof: "tiles" });
});

test("--identity believes the inode that was verified, and says so", async () => {
  await sleep(2100);
  await verified("--identity");
  expect(await verified("--identity")).toMatchObject({ exit: 0, proof: "identity", guard: "leased" });
  expect(await verified()).toMatchObject({ exit: 0, proof: "tiles" });
  const { stdout } = await cli(["verify", "--state", "state", "--identity", "--sha256", SHA256, "m.gguf"], home);
  expect(stdout).toContain("believed to be what it was, without reading it (--identity)");
});

test("a record that was tampered with is ignored loudly: on both streams and in the trail", async () => {
  await verified();
  const record = join(home, "state/records", `${SHA256}.record`);
  const bytes = readFileSync(record);
  bytes.writeUInt8(bytes.readUInt8(90) ^ 1, 90);
  writeFileSync(record, bytes);
  const { code, stdout, stderr } = await cli(["verify", "--state", "state", "--audit", "audit", "--sha256", SHA256, "m.gguf"], home);
  expect(code).toBe(0);
  expect(stdout).toContain("IGNORED the record of an earlier verification: forged");
  expect(stderr).toContain("MODEL_LOADER_RECORD_IGNORED");
  const [segment = ""] = readdirSync(join(home, "audit/log"));
  expect(readFileSync(join(home, "audit/log", segment), "utf8")).toContain('"reason":"RECORD_FORGED"');
  expect(await verified()).toMatchObject({ proof: "tiles" });
});

test("a file that differs from its record is refused, and the tile is named", async () => {
  await verified();
  const changed = Buffer.from(MODEL);
  changed[3 * 256 * 1024 + 9] = 1;
  writeFileSync(join(home, "m.gguf"), changed);
  expect(await verified()).toMatchObject({ exit: 1, code: "DIGEST_MISMATCH", offset: 3 * 256 * 1024, expected: SHA256 });
});

test("a state folder that cannot be used is told, and nothing is judged", async () => {
  writeFileSync(join(home, "state"), "");
  expect(await verified()).toMatchObject({ exit: 3, code: "IO" });
  const shared = join(home, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  const { code, stdout } = await cli(["verify", "--state", "shared", "m.gguf"], home);
  expect(code).toBe(3);
  expect(stdout).toContain("chmod go-w");
});

test("a word that --flat-digest does not know is a mistake", async () => {
  const { code, stderr } = await cli(["verify", "--flat-digest", "sometimes", "m.gguf"], home);
  expect(code).toBe(2);
  expect(stderr).toContain("always, unless-recorded");
});
