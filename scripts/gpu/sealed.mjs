/** One model: sealed, looked at in every way, scrubbed and freed, each against the speed that it should have. */
import { randomBytes } from "node:crypto";
import { withModel } from "./model.mjs";
import { GOALS, predicted } from "./predicted.mjs";
import { openProbe } from "./probe.mjs";
import { tell } from "./tell.mjs";
import { duration, gigabytes, median, quantity, rate, timed } from "./text.mjs";

const QUICK_TIMES = 20;
const LINK_BYTES = 1 << 28;

export async function sealed(context) {
  await withModel(context, context.bytes, async ({ load, seal }) => {
    const link = linkSpeed(context);
    // Twice: the first one reads what has just been written.
    const loads = [await timed(load), await timed(load)];
    const loadSeconds = Math.min(...loads.map(({ seconds }) => seconds));
    const { sha256 } = loads[0].value;
    // The first one opens the device and compiles the kernels, too.
    const first = await timed(() => seal({ sha256 }));
    await first.value[Symbol.asyncDispose]();
    const shard = await seal({ sha256 });
    pipeline({ shard, first: first.seconds, loadSeconds, link });
    await levels(context, shard);
    await challenge(shard);
    await scrub(shard);
    await freed(context, shard);
  });
}

/** How fast the link fills device memory. Faster than the bound of the evidence assumes, and the bound would prove nothing. */
function linkSpeed(context) {
  const { device, probe, small } = context;
  if (probe === undefined) return undefined;
  const bytes = small ? 1 << 20 : LINK_BYTES;
  const bytesPerSecond = bytes / openProbe(context).copyInSeconds(bytes, 3);
  tell.figure("linkBytesPerSecond", bytesPerSecond);
  tell.measured("copy from pinned memory", bytesPerSecond, "B/s", predicted(device).link);
  const assumed = device.link?.bytesPerSecond;
  if (assumed !== undefined && !small) tell.check("no faster link than assumed", bytesPerSecond <= assumed, `${rate(bytesPerSecond)}; assumed of ${device.link.name}: ${rate(assumed)}`);
  return bytesPerSecond;
}

/** The seal against the slowest of its stages, which all others must hide behind. */
function pipeline({ shard, first, loadSeconds, link }) {
  const { sizeBytes: bytes, seconds } = shard;
  const hashSeconds = 2 * shard.evidence.timing.wallSeconds;
  const stages = { load: loadSeconds, hash: hashSeconds, ...(link === undefined ? {} : { upload: bytes / link }) };
  const [slowest, stageSeconds] = Object.entries(stages).toSorted(([, a], [, b]) => b - a)[0];
  const ratio = seconds / stageSeconds;
  tell.figure("seal", { bytes, seconds, firstSeconds: first, stages, slowest, ratio });
  tell.check("seal", shard.evidence.verdict === "resident", `${gigabytes(bytes)} in ${duration(seconds)}, ${rate(bytes / seconds)}; the first, with the device's start: ${duration(first)}`);
  tell.check("read-only for the device", shard.record.access === "read-only", shard.record.access);
  for (const [name, took] of Object.entries(stages)) tell.measured(`stage of the seal: ${name}`, took, "s");
  tell.goal(`seal within ${GOALS.sealRatio} x its slowest stage`, ratio <= GOALS.sealRatio, `${quantity(ratio, "times")} of ${slowest}`);
}

async function levels({ device }, shard) {
  const quick = [];
  for (let time = 0; time < QUICK_TIMES; time += 1) quick.push(await timed(() => shard.verify({ level: "quick" })));
  const seconds = median(quick.map((one) => one.seconds));
  tell.figure("quickSeconds", quick.map((one) => one.seconds));
  tell.check("quick", quick.every(({ value }) => value.verdict === "resident"), `median of ${QUICK_TIMES}: ${duration(seconds)}`);
  tell.goal(`quick below ${duration(GOALS.quickSeconds)}`, seconds < GOALS.quickSeconds, duration(seconds));
  latency(quick.at(-1).value);
  await full(device, shard);
  const sample = await shard.verify({ level: "sample", p: 0.01 });
  tell.check("sample of 1 %", sample.verdict === "resident" && sample.content.tilesChecked > 0, `${sample.content.tilesChecked} tiles`);
}

function latency({ timing }) {
  const { latency: seen } = timing;
  tell.figure("sealLatency", seen);
  tell.check("no page of the seal is slow", seen !== undefined && seen.slowPagesCount === 0,
    seen === undefined ? "not measured" : `${seen.pages} pages: ${seen.cyclesMin} to ${seen.cyclesMax} cycles, median ${seen.cyclesMedian}; slow from ${seen.slowCycles ?? "unknown"}`);
}

/** Every byte, by the host's clock and by the whole call. */
export async function full(device, shard) {
  const calls = [];
  for (let time = 0; time < 3; time += 1) calls.push(await timed(() => shard.verify()));
  const best = calls.toSorted((a, b) => a.seconds - b.seconds)[0];
  const { timing, content } = best.value;
  const name = `full check of ${gigabytes(shard.sizeBytes)}`;
  tell.more("full", { bytes: shard.sizeBytes, callSeconds: calls.map(({ seconds }) => seconds), ...timing });
  tell.check(name, calls.every(({ value }) => value.verdict === "resident") && content.root === shard.blake3, duration(best.seconds));
  tell.measured(`${name}, hashing`, timing.bytesPerSecond, "B/s", predicted(device).hash);
  // A small model fits the caches, a slow device hashes no faster than its link: then time proves nothing, and says so.
  tell.check("timing bound", timing.residentFractionMin !== undefined, device.link?.name ?? "link unknown");
  if (timing.residentFractionMin !== undefined) tell.measured("at least so much came from the device", timing.residentFractionMin, "fraction", predicted(device).residentFraction);
  return { seconds: best.seconds, bytesPerSecond: timing.bytesPerSecond };
}

async function challenge(shard) {
  const nonce = randomBytes(32);
  const once = await timed(() => shard.challenge(nonce));
  const [one, again, other] = [once.value, await shard.challenge(nonce), await shard.challenge(randomBytes(32))];
  const fresh = one.freshness.response === again.freshness.response && one.freshness.response !== other.freshness.response;
  tell.figure("challengeSeconds", once.seconds);
  tell.check("challenge", fresh, `${one.freshness.method}, ${duration(once.seconds)}`);
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
  const seconds = (performance.now() - started) / 1000;
  tell.figure("scrubSeconds", seconds);
  tell.check("scrub at half of the time", end.verdict === "resident", end.verdict === undefined ? end.message : `one pass in ${duration(seconds)}`);
}

async function freed({ device }, shard) {
  const { vramDevices } = await import("../../dist/index.js");
  const free = async () => (await vramDevices()).devices.find(({ uuid }) => uuid === device.uuid)?.freeBytes ?? 0;
  const before = await free();
  await shard[Symbol.asyncDispose]();
  const bytes = (await free()) - before;
  tell.check("memory is given back", bytes >= shard.sizeBytes * 0.99, gigabytes(bytes));
}

/** As large as the goal is stated for. The file is one hole: the disk need not have room, and its bytes are hashed as any others. */
export async function large(context) {
  const { device, small } = context;
  const bytes = small ? context.bytes : Math.floor(Math.min(GOALS.largeBytes, (device.freeBytes ?? 0) * 0.9));
  await withModel(context, bytes, async ({ seal }) => {
    const shard = await seal();
    tell.check(`seal ${gigabytes(bytes)}`, shard.evidence.verdict === "resident", `${duration(shard.seconds)}, ${rate(bytes / shard.seconds)}`);
    const { seconds, bytesPerSecond } = await full(device, shard);
    tell.goal(`full check at ${rate(GOALS.bytesPerSecond)}`, bytesPerSecond >= GOALS.bytesPerSecond, rate(bytesPerSecond));
    if (bytes === GOALS.largeBytes) tell.goal(`full check of ${gigabytes(bytes)} below ${duration(GOALS.largeSeconds)}`, seconds < GOALS.largeSeconds, duration(seconds));
    await shard[Symbol.asyncDispose]();
  }, { sparse: true });
}
