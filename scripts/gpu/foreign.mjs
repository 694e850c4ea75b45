/** Weights that something else put into memory: an engine's on the device, and the same bytes where they must not be. */
import { eachPiece, placeOf, withModel } from "./model.mjs";
import { openProbe, useRuntime } from "./probe.mjs";
import { predicted } from "./predicted.mjs";
import { tell } from "./tell.mjs";
import { duration, gigabytes, median, rate } from "./text.mjs";

/** As engines lay tensors out. */
const ALIGNMENT = 128;

/** All tensors in one allocation of the runtime's, at an engine's alignment. */
export async function engine(context) {
  await withModel(context, context.bytes, async ({ path, tensors, load }) => {
    const probe = openProbe(context);
    const by = useRuntime(probe, context.cudart);
    const { start, ranges } = laidOut(tensors);
    const address = probe.engineMemory(start);
    for (const [index, tensor] of tensors.entries()) {
      ranges[index].pointer += address;
      eachPiece(path, tensor, (bytes, at) => probe.engineCopy(ranges[index].pointer + BigInt(at), bytes));
    }
    const model = await load();
    const check = (given) => model.verifyRanges(given, placeOf(context.device));
    tell.row("an engine's memory", by);
    const report = await check(ranges);
    tell.figure("foreign", { by, tensors: ranges.length, bytes: report.bytesChecked, seconds: report.wallSeconds, residentFractionMin: report.residentFractionMin });
    tell.check("an engine's weights", report.verdict === "resident" && report.tensorsUnchecked.length === 0, `${gigabytes(report.bytesChecked)} in ${duration(report.wallSeconds)}, ${rate(report.bytesChecked / report.wallSeconds)}`);
    await refusals({ probe, path, tensors, ranges, check });
  });
}

function laidOut(tensors) {
  let start = 0;
  const ranges = tensors.map(({ name, bytes }) => {
    const pointer = BigInt(start);
    start += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return { pointer, bytes, tensor: name };
  });
  return { start, ranges };
}

async function refusals({ probe, path, tensors, ranges, check }) {
  const swapped = ranges.map((range, index) => ({ ...range, pointer: ranges[(index + 1) % ranges.length].pointer }));
  const code = await check(swapped).then(() => "accepted", (failure) => failure.code);
  tell.check("an engine's weights, swapped", code === "VRAM_VERIFICATION_FAILED", code);
  const [{ pointer, bytes, tensor }] = ranges.slice(3);
  const at = Math.floor(bytes / 2);
  eachPiece(path, { offset: tensors[3].offset + at, bytes: 1 }, ([byte]) => probe.engineCopy(pointer + BigInt(at), Buffer.of(byte ^ 1)));
  const wrong = await check(ranges).then(() => [], ({ foreign }) => foreign?.ranges.filter(({ verdict }) => verdict === "not-resident").map((range) => range.tensor) ?? []);
  tell.check("an engine's weights, one byte flipped", wrong.join() === tensor, wrong.join(", ") || "accepted");
}

/** The same tensors in device memory and in pinned host memory: how fast each answers, page by page. */
export async function latency(context) {
  await withModel(context, context.smallBytes, async (model) => {
    const looked = await lookers(context, model);
    const local = await looked("device");
    tell.check("pages of device memory are fast", local.code === undefined && local.slowPages === 0, text(local));
    tell.measured("a load from the device's own memory", local.median, "cycles", predicted(context.device).localCycles);
    const host = await looked("host");
    tell.check("pinned host memory is refused", host.code === "VRAM_NOT_RESIDENT", `${host.code}: ${host.reasons}`);
    tell.check("pages of pinned host memory are slow", host.slowPages === host.pages, text(host));
    tell.measured("a load from the host's memory, against it", host.median / local.median, "times", predicted(context.device).hostTimes);
  });
}

/** Memory that the driver may move, wherever it has been moved to: refused each time. */
export async function managed(context) {
  await withModel(context, context.smallBytes, async (model) => {
    const probe = openProbe(context);
    let looked;
    try {
      looked = await lookers(context, model, probe);
      await looked("managed", "written by the driver");
    } catch (failure) {
      tell.skip("managed memory is refused", failure.message);
      return;
    }
    for (const [toDevice, name] of [[true, "moved to the device"], [false, "moved to the host"]]) {
      await looked("managed", name, (address, bytes) => probe.prefetch(address, bytes, toDevice));
    }
  });
}

/** Fills memory of a kind with the model's tensors and looks at it; again in the same memory, for a kind that was looked at before. */
async function lookers(context, { path, tensors, load }, probe = openProbe(context)) {
  const model = await load();
  const places = new Map();
  const placed = (kind) => {
    const ranges = tensors.map((tensor) => {
      const pointer = probe.allocate(kind, tensor.bytes);
      eachPiece(path, tensor, (bytes, at) => probe.fill(pointer + BigInt(at), bytes));
      return { pointer, bytes: tensor.bytes, tensor: tensor.name };
    });
    places.set(kind, ranges);
    return ranges;
  };
  return async (kind, state, move) => {
    const ranges = places.get(kind) ?? placed(kind);
    const moved = move === undefined ? undefined : ranges.map(({ pointer, bytes }) => move(pointer, bytes))[0];
    const attributes = probe.attributes(ranges[0].pointer, ranges[0].bytes);
    const { code, message, report } = await model.verifyRanges(ranges, placeOf(context.device)).then(
      (seen) => ({ report: seen }),
      (failure) => ({ code: failure.code, message: failure.message, report: failure.foreign }),
    );
    const seen = { kind, state, moved, code, message, ...summary(report?.ranges ?? []), attributes };
    tell.more("places", seen);
    if (state !== undefined) tell.check(`managed memory, ${state}`, code === "VRAM_NOT_RESIDENT" && seen.reasons.includes("managed"), `${code}: ${seen.reasons}; ${text(seen)}; ${attributesText(attributes)}`);
    return seen;
  };
}

/** Of all ranges together. */
function summary(ranges) {
  const latencies = ranges.map((range) => range.latency).filter((one) => one !== undefined && one.pages > 0);
  const sum = (field) => latencies.reduce((all, one) => all + one[field], 0);
  return {
    reasons: [...new Set(ranges.flatMap((range) => range.reasons))].join("; "),
    pages: sum("pages"),
    slowPages: sum("slowPagesCount"),
    least: Math.min(...latencies.map((one) => one.cyclesMin)),
    median: median(latencies.map((one) => one.cyclesMedian)) ?? Number.NaN,
    most: Math.max(...latencies.map((one) => one.cyclesMax)),
    slowCycles: latencies[0]?.slowCycles,
  };
}

function text({ pages, slowPages, least, median: middle, most, slowCycles }) {
  return `${slowPages} of ${pages} pages slow: ${least} to ${most} cycles, median ${middle}; slow from ${slowCycles ?? "unknown"}`;
}

function attributesText(attributes) {
  return attributes.filter(({ value }) => value !== undefined).map(({ name, value }) => `${name} ${value}`).join(", ");
}
