/**
 * Everything about GPU memory, for real, on a machine with an NVIDIA GPU: seals, evidence at each level, what stores and flipped
 * bytes lead to, engines' weights, a scrub, and how fast it all is. Prints a table and one line of JSON.
 *
 *     node scripts/gpu-check.mjs                     builds the addon, then all of it
 *     node scripts/gpu-check.mjs --built             with the addon that is there
 *     node scripts/gpu-check.mjs --gigabytes 8       the sealed model's size (default 4, or half of what is free)
 *     node scripts/gpu-check.mjs --out FILE          the JSON; else test/bench/gpu/DEVICE.json where a real device was measured
 *     node scripts/gpu-check.mjs --driver-tests FILE the test program of crates/vram/tests/gpu.rs, built elsewhere
 *
 * Without a GPU it says so and counts as skipped. Ends with one line: N passed, N failed[, N skipped].
 */
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { randomBytes } from "node:crypto";
import { ROOT, run } from "./command.mjs";
import { tallyLine } from "./tally.mjs";

const { values: options } = parseArgs({
  options: { built: { type: "boolean", default: false }, gigabytes: { type: "string" }, out: { type: "string" }, "driver-tests": { type: "string" } },
});
/** Sizes that hashing is measured at, as far as they fit. */
const MEASURED_BYTES = [1e9, 8e9, 40e9];
/** Of the driver's own tests: what only raw driver calls can bring about. */
const DRIVER_TESTS = ["--ignored", "--nocapture", "--test-threads=1"];

const tally = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
const figures = { at: new Date().toISOString() };

process.exitCode = await main();

async function main() {
  if (!options.built && (await run(process.execPath, ["scripts/build.mjs"])).code !== 0) return 1;
  const { vramDevices } = await import("../dist/index.js");
  const { devices, absent } = await vramDevices();
  const device = devices.filter(({ backend, isVram }) => backend === "cuda" && isVram).sort((a, b) => (b.freeBytes ?? 0) - (a.freeBytes ?? 0))[0];
  if (device === undefined) {
    console.log(`no NVIDIA GPU here: ${absent.map(({ message }) => message).join("; ") || "none of the devices is one"}`);
    tally.skipped += 1;
    return report(undefined);
  }
  figures.device = device;
  console.log(`${device.name} ${device.uuid}, driver ${device.driver}, ${gigabytes(device.totalBytes)} GB`);
  await measure(device);
  await sealed(device);
  await driverTests();
  return report(device);
}

/** Hashing against copying inside the device, and what the driver took to compile the kernels. */
async function measure(device) {
  const { native } = await import("../dist/native.js");
  const place = { backend: device.backend, deviceUuid: device.uuid, policy: { requireEcc: false, requireReadOnly: false, allowUnified: false, headroomBytes: 0, slowPagesMax: 0, slowFactor: 4, triesMax: 3 } };
  figures.measured = [];
  // A small device is measured at what it has.
  const sizes = MEASURED_BYTES.filter((bytes) => bytes < (device.freeBytes ?? 0) * 0.9);
  for (const bytes of sizes.length > 0 ? sizes : [Math.floor((device.freeBytes ?? 0) / 64)]) {
    const measured = await native.vramMeasure(bytes, place, native.newControl());
    if (!check(`hash ${gigabytes(bytes)} GB`, measured.failure === undefined, measured.failure?.message ?? hashText(measured))) continue;
    figures.measured.push(measured);
    figures.loadSeconds = measured.loadSeconds;
  }
  row("JIT of the kernels", figures.loadSeconds === undefined ? "not told" : `${(figures.loadSeconds * 1000).toFixed(1)} ms`);
}

function hashText({ bytes, hashBytesPerSecond, copyBytesPerSecond }) {
  const copy = copyBytesPerSecond === undefined ? "" : `; copying inside the device ${rate(copyBytesPerSecond)}`;
  return `${rate(hashBytesPerSecond)}, ${(bytes / hashBytesPerSecond * 1000).toFixed(1)} ms${copy}`;
}

/** One model: sealed, looked at in every way, scrubbed, held against itself as an engine's copy, and freed. */
async function sealed(device) {
  const { AuditLog, ModelLoader } = await import("../dist/index.js");
  const home = mkdtempSync(join(tmpdir(), "model-loader-gpu-"));
  let audit;
  let loader;
  try {
    const bytes = modelBytes(device, home);
    writeModel(join(home, "model.gguf"), bytes);
    audit = await AuditLog.open(join(home, "audit"));
    loader = await ModelLoader.open({ root: home, audit });
    const hashed = await timed(async () => (await loader.load("model.gguf")).sha256);
    const shard = await loader.seal("model.gguf", { device: device.uuid, backend: "cuda", sha256: hashed.value });
    await pipeline(shard, bytes, hashed.seconds);
    await levels(shard);
    await scrub(shard);
    await foreign(loader, shard);
    const before = await freeBytes(device);
    await shard[Symbol.asyncDispose]();
    const freed = (await freeBytes(device)) - before;
    check("memory is given back", freed >= bytes * 0.99, `${gigabytes(freed)} GB`);
  } catch (failure) {
    check("seal", false, `${failure.code ?? failure.name}: ${failure.message}`);
  } finally {
    await loader?.[Symbol.asyncDispose]();
    await audit?.[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  }
}

/** The seal against its slowest stage: reading and hashing the file, which the device's part must hide behind. */
async function pipeline(shard, bytes, loadSeconds) {
  const twice = 2 * shard.evidence.timing.wallSeconds;
  const ratio = shard.seconds / loadSeconds;
  figures.seal = { bytes, seconds: shard.seconds, loadSeconds, deviceSeconds: twice, ratio };
  check("seal", shard.evidence.verdict === "resident", `${gigabytes(bytes)} GB in ${shard.seconds.toFixed(2)} s, ${rate(bytes / shard.seconds)}; ${ratio.toFixed(2)} x the load alone (${loadSeconds.toFixed(2)} s)`);
  check("read-only for the device", shard.record.access === "read-only", shard.record.access);
}

async function levels(shard) {
  const quick = await timed(() => shard.verify({ level: "quick" }));
  figures.quickMs = quick.seconds * 1000;
  check("quick", quick.value.verdict === "resident", `${figures.quickMs.toFixed(2)} ms`);
  const { latency } = quick.value.timing;
  figures.latency = latency;
  check("latency of pages", latency !== undefined && latency.slowPagesCount === 0,
    latency === undefined ? "not measured" : `${latency.pages} pages of ${latency.pageBytes} bytes: ${latency.cyclesMin} to ${latency.cyclesMax} cycles, median ${latency.cyclesMedian}; local ${latency.localCycles}, host ${latency.hostCycles}`);
  const full = await shard.verify();
  figures.full = full.timing;
  check("full", full.verdict === "resident" && full.content.root === shard.blake3, `${rate(full.timing.bytesPerSecond)}, ${(full.timing.wallSeconds * 1000).toFixed(1)} ms`);
  // A small model fits the caches, a slow device hashes no faster than its link: then time proves nothing, and says so.
  check("timing bound", full.timing.residentFractionMin !== undefined, `at least ${((full.timing.residentFractionMin ?? 0) * 100).toFixed(1)} % came from the device (${shard.device.link?.name ?? "link unknown"})`);
  const sample = await shard.verify({ level: "sample", p: 0.01 });
  check("sample of 1 %", sample.verdict === "resident" && sample.content.tilesChecked > 0, `${sample.content.tilesChecked} tiles`);
  const nonce = randomBytes(32);
  const [one, again, other] = [await shard.challenge(nonce), await shard.challenge(nonce), await shard.challenge(randomBytes(32))];
  check("challenge", one.freshness.response === again.freshness.response && one.freshness.response !== other.freshness.response, one.freshness.method);
}

async function scrub(shard) {
  const started = performance.now();
  const going = shard.scrub({ dutyCycle: 0.5 });
  const failed = new Promise((resolve) => going.once("failed", resolve));
  const done = new Promise((resolve) => going.once("completed", resolve));
  // A scrub keeps no process alive.
  const alive = setInterval(() => undefined, 1000);
  const end = await Promise.race([done, failed]);
  await going.stop();
  clearInterval(alive);
  figures.scrubSeconds = (performance.now() - started) / 1000;
  check("scrub at half of the time", end.verdict === "resident", `one pass in ${figures.scrubSeconds.toFixed(2)} s`);
}

/** Our own copy, by its address, as an engine's would be. */
async function foreign(loader, shard) {
  const model = await loader.load("model.gguf");
  const ranges = [...model.gguf.tensors].map(({ name, offset, bytes }) => ({ pointer: shard.pointer + BigInt(offset), bytes, tensor: name }));
  const report = await model.verifyRanges(ranges, { device: shard.device.uuid });
  figures.foreign = { tensors: ranges.length, bytes: report.bytesChecked, seconds: report.wallSeconds };
  check("ranges in place", report.verdict === "resident" && report.tensorsUnchecked.length === 0, `${ranges.length} tensors, ${rate(report.bytesChecked / report.wallSeconds)}`);
  const wrong = ranges.map((range, index) => ({ ...range, pointer: ranges[(index + 1) % ranges.length].pointer }));
  const code = await model.verifyRanges(wrong, { device: shard.device.uuid }).then(() => "accepted", (failure) => failure.code);
  check("ranges that are swapped", ranges.length < 2 || code === "VRAM_VERIFICATION_FAILED", code);
}

/** Stores to sealed memory, flipped bytes, managed and pinned host memory, an engine's cudaMalloc: by raw driver calls, in Rust. */
async function driverTests() {
  const built = options["driver-tests"];
  const [command, args] = built === undefined ? ["cargo", ["test", "--locked", "--package", "vram", "--test", "gpu", "--", ...DRIVER_TESTS]] : [built, DRIVER_TESTS];
  if (built === undefined && (await run("cargo", ["--version"], { quiet: true })).code !== 0) {
    tally.skipped += 1;
    row("driver's tests", "skipped: neither cargo nor --driver-tests");
    return;
  }
  const { output } = await run(command, args);
  const tests = [...output.matchAll(/^test (\w+) \.\.\..*?(ok|FAILED)$/gmsu)];
  for (const [, name, outcome] of tests) check(name.replaceAll("_", " "), outcome === "ok", outcome);
  if (tests.length === 0) check("driver's tests", false, "none ran");
}

function report(device) {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  for (const [name, text] of rows) console.log(`${name.padEnd(width)}  ${text}`);
  if (device !== undefined) {
    const text = JSON.stringify({ ...figures, ...tally }, (_, value) => (typeof value === "bigint" ? String(value) : value));
    console.log(text);
    const file = options.out ?? (device.name === "Driver Double" ? undefined : join(ROOT, "test/bench/gpu", `${device.name.replaceAll(/[^A-Za-z0-9.-]+/gu, "-")}.json`));
    if (file !== undefined) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${text}\n`);
    }
  }
  console.log(tallyLine(tally));
  return tally.failed === 0 ? 0 : 1;
}

function check(name, good, text) {
  tally[good ? "passed" : "failed"] += 1;
  row(`${good ? "ok    " : "FAILED"} ${name}`, text);
  return good;
}

function row(name, text) {
  rows.push([name, text]);
}

async function timed(work) {
  const started = performance.now();
  const value = await work();
  return { value, seconds: (performance.now() - started) / 1000 };
}

async function freeBytes({ uuid }) {
  const { vramDevices } = await import("../dist/index.js");
  return (await vramDevices()).devices.find((device) => device.uuid === uuid)?.freeBytes ?? 0;
}

/** What was asked for, as far as the device and the disk have room. */
function modelBytes({ freeBytes = 0 }, home) {
  const { bavail, bsize } = statfsSync(home);
  const asked = Number(options.gigabytes ?? 4) * 1e9;
  if (!(asked > 0)) throw new TypeError("--gigabytes must be a number, such as 4");
  return Math.floor(Math.min(asked, freeBytes / 2, bavail * bsize / 2, freeBytes < 1e9 ? 4e6 : Infinity));
}

/** A model of this size, of tensors whose bytes repeat nowhere near: what is lost or swapped must show. */
function writeModel(path, bytes) {
  const tensors = Array.from({ length: 8 }, (_, index) => `blk.${index}.ffn_up.weight`);
  const each = Math.floor(bytes / tensors.length / 4096) * 4096;
  const text = (value) => { const head = Buffer.alloc(8); head.writeBigUInt64LE(BigInt(value.length)); return Buffer.concat([head, Buffer.from(value)]); };
  const u32 = (value) => { const at = Buffer.alloc(4); at.writeUInt32LE(value); return at; };
  const u64 = (value) => { const at = Buffer.alloc(8); at.writeBigUInt64LE(BigInt(value)); return at; };
  const F32 = 0, STRING = 8;
  const header = Buffer.concat([
    Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(1), text("general.architecture"), u32(STRING), text("none"),
    ...tensors.flatMap((name, index) => [text(name), u32(1), u64(each / 4), u32(F32), u64(index * each)]),
  ]);
  const start = Math.ceil(header.length / 32) * 32;
  const fd = openSync(path, "wx");
  try {
    ftruncateSync(fd, start);
    writeSync(fd, header, 0, header.length, 0);
    const block = randomBytes(1 << 20);
    for (let at = 0; at < each * tensors.length; at += block.length) {
      block.writeDoubleLE(at, (at / block.length * 8) % (block.length - 8));
      writeSync(fd, block, 0, Math.min(block.length, each * tensors.length - at), start + at);
    }
  } finally {
    closeSync(fd);
  }
}

function rate(bytesPerSecond) {
  return bytesPerSecond >= 1e12 ? `${(bytesPerSecond / 1e12).toFixed(2)} TB/s` : `${(bytesPerSecond / 1e9).toPrecision(3)} GB/s`;
}

function gigabytes(bytes) {
  return (bytes / 1e9).toPrecision(3);
}
