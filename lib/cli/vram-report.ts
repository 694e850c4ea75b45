/** How devices, seals and evidence are told: an object for programs, text for people. */
import type { ModelLoadError } from "../errors.ts";
import { VramError } from "../vram/errors.ts";
import { percentText } from "../vram/evidence.ts";
import type { Evidence } from "../vram/evidence.ts";
import type { VramDevice } from "../vram/device.ts";
import { badTensorsOf } from "../vram/findings.ts";
import type { Shard } from "../vram/shard.ts";
import type { BytePath } from "./byte-path.ts";
import { filesOf } from "./sets.ts";
import { visible } from "./terminal.ts";
import { count, sizeText } from "./units.ts";
import { nameText, pathObject, refusalObject, refusalText } from "./verdict-report.ts";

/** Names shown to people; programs get all that the evidence holds. */
const NAMES_SHOWN_MAX = 5;

export function sealObject(name: BytePath, shard: Shard): object {
  const { sha256, blake3, sizeBytes, seconds, evidence, digestExpected } = shard;
  const of = { ...pathObject(name), ok: true, sealed: true, sha256, blake3, sizeBytes, digestExpected, seconds, bytesPerSecond: sizeBytes / Math.max(seconds, 1e-9) };
  return { ...of, ...sealRecords(name, shard), evidence };
}

/** The seal record of a file, or what a split model's parts are, each with its own. */
function sealRecords(name: BytePath, { parts }: Shard): object {
  const [first, ...more] = parts;
  if (more.length === 0) return { record: first?.record };
  const files = filesOf(name);
  return { parts: parts.map(({ sha256, blake3, sizeBytes, record }, index) => ({ ...pathObject(files[index] ?? name), sha256, blake3, sizeBytes, record })) };
}

export function sealText(name: BytePath, shard: Shard): string {
  const { device, id, parts, sizeBytes, seconds, sha256, digestExpected, evidence } = shard;
  return [
    `sealed   ${nameText(name)}${parts.length === 1 ? "" : `, ${parts.length} parts`}`,
    `  sha256 ${sha256} ${digestExpected ? "(as promised)" : "(computed; none was promised with --sha256)"}`,
    `  shard  ${id} on ${visible(device.name, 60)} ${device.uuid} (${device.backend}), mapped ${evidence.placement.access}`,
    `  ${sizeText(sizeBytes)} in ${seconds.toPrecision(3)} s, ${sizeText(sizeBytes / Math.max(seconds, 1e-9))}/s from the file to the checked seal`,
    ...evidenceText(evidence),
  ].join("\n");
}

export function evidenceObject(name: BytePath, shardId: string, evidence: Evidence): object {
  return { ...pathObject(name), ok: evidence.verdict !== "not-resident", shardId, evidence };
}

/** A line for each level of evidence; what was not looked at is said to be so. */
export function evidenceText(evidence: Evidence): string[] {
  const { verdict, level, reasons, placement, content, accounting, freshness } = evidence;
  return [
    `  ${verdict.toUpperCase()} by a ${level} check${reasons.length === 0 ? "" : `: ${reasons.map((reason) => visible(reason)).join("; ")}`}`,
    `    accounting  ${accounting.freeBytes === undefined ? "free memory not told" : `${sizeText(accounting.freeBytes)} free of ${sizeText(accounting.totalBytes)}`}${accounting.eccUncorrected === undefined ? "" : `, ${count(accounting.eccUncorrected, "uncorrected memory error")}`}`,
    `    placement   ${placement.memoryType} memory${placement.managed === true ? ", managed" : ""}${placement.pinned === true ? ", pinned" : ""}, ${placement.access}`,
    `    content     ${contentText(content)}`,
    `    timing      ${timingText(evidence.timing)}`,
    `    freshness   ${freshness.response === undefined ? "not asked for" : `${freshness.method} ${freshness.response}`}`,
  ];
}

function contentText(content: Evidence["content"]): string {
  if (content.tilesChecked === 0) return "not read";
  const read = `${sizeText(content.bytesChecked)} of ${sizeText(content.bytesTotal)} hashed on the device`;
  if (content.badTilesCount === 0) return `${read}, all as sealed`;
  const shown = badTensorsOf(content).slice(0, NAMES_SHOWN_MAX);
  const tensors = shown.map(({ name, part }) => `${visible(name, 80)}${part === undefined ? "" : ` (part ${part})`}`).join(", ");
  return `${read}, ${count(content.badTilesCount, "bad tile")}${tensors === "" ? "" : ` in ${tensors}`}`;
}

function timingText({ wallSeconds, bytesPerSecond, residentFractionMin, latency }: Evidence["timing"]): string {
  const hashed = wallSeconds === 0 ? [] : [`${(wallSeconds * 1000).toPrecision(3)} ms, ${(bytesPerSecond / 1e9).toPrecision(3)} GB/s`];
  const bound = residentFractionMin === undefined ? [] : [`at least ${percentText(residentFractionMin)} of it came from the device`];
  const pages = latency === undefined ? [] : [`${latency.slowPagesCount} of ${count(latency.pages, "page")} slow (median ${latency.cyclesMedian} cycles)`];
  return [...hashed, ...bound, ...pages].join(", ") || "not measured";
}

export function vramFailureObject(name: BytePath, error: VramError | ModelLoadError): object {
  if (!(error instanceof VramError)) return refusalObject(name, error);
  const { code, message, part, severity, retriable, deviceUuid, driver, requestedBytes, availableBytes, policy, evidence } = error;
  return { ...pathObject(name), ok: false, code, message, part, severity, retriable, deviceUuid, driver, requestedBytes, availableBytes, policy, evidence };
}

export function vramFailureText(name: BytePath, error: VramError | ModelLoadError): string {
  if (!(error instanceof VramError)) return refusalText(name, error);
  const { code, message, driver, retriable, evidence } = error;
  return [
    `${error.severity === "CRITICAL" ? "REFUSED" : "NOT SEALED"}  ${nameText(name)}`,
    `  ${code}: ${visible(message)}${retriable ? " (may be tried again)" : ""}`,
    ...(driver === undefined ? [] : [`  ${driver.call} said ${visible(driver.name)} (${driver.status})`]),
    ...(evidence === undefined ? [] : evidenceText(evidence)),
  ].join("\n");
}

export function deviceRow({ backend, name, uuid, totalBytes, freeBytes, kind, notVram, ecc, driver, pci }: VramDevice): string[] {
  return [
    backend, visible(name, 40), uuid, pci ?? "-", sizeText(totalBytes), freeBytes === undefined ? "-" : sizeText(freeBytes),
    ecc === undefined ? "-" : ecc ? "on" : "off", visible(driver, 20), notVram === undefined ? "yes" : `no: ${kind}`,
  ];
}

export const DEVICE_HEAD: readonly string[] = ["backend", "name", "uuid", "pci", "memory", "free", "ecc", "driver", "VRAM"];
