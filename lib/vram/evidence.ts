/** Evidence: what one check saw, level by level, never merged into one boolean. */
import type { NativeEvidence } from "./native.ts";

export type { LevelName, VerdictName } from "./native.ts";

/**
 * `accounting`: the driver's counters. `placement`: what the driver says of this memory. `content`: what the bytes are, read through
 * the device's own memory path. `timing`: how fast they came. `freshness`: whether the answer can be an old one.
 */
export interface Evidence extends Omit<NativeEvidence, "atUnixMs" | "parts"> {
  readonly at: Date;
  /**
   * Of a split model: what each part showed, in order. The rest is then the whole's: the worst verdict and the placement of its part,
   * sums, what time proves of all bytes together; `freshness.response` is BLAKE3 of the parts' responses in order, keyed by the nonce.
   */
  readonly parts?: readonly Evidence[];
}

export function evidenceOf({ atUnixMs, parts, ...seen }: NativeEvidence): Evidence {
  return { ...seen, at: new Date(atUnixMs), ...(parts === undefined ? {} : { parts: parts.map(evidenceOf) }) };
}

/** One line for the trail, of at most about 400 characters. */
export function evidenceText(evidence: Evidence): string {
  const { level, verdict, placement, content, timing, freshness, kernel, accounting } = evidence;
  const parts = [
    `${level}: ${verdict}${evidence.parts === undefined ? "" : ` of ${evidence.parts.length} parts`}`,
    `placement ${placement.memoryType}${placement.managed === true ? " managed" : ""} ${placement.access}`,
    content.tilesChecked === 0 ? "content not read" : `content ${content.bytesChecked}/${content.bytesTotal} bytes, ${content.badTilesCount} bad tiles`,
    timingText(timing),
    ...latencyText(timing.latency),
    freshness.method === "none" ? "" : `freshness ${freshness.method}`,
    accounting.eccUncorrected === undefined ? "" : `uncorrected ECC ${accounting.eccUncorrected}`,
    `kernel ${kernel.name} ${kernel.blake3.slice(0, 16)}`,
  ];
  return parts.filter((part) => part !== "").join("; ");
}

function timingText({ wallSeconds, bytesPerSecond, residentFractionMin, tries, pagedIn }: Evidence["timing"]): string {
  if (wallSeconds === 0) return pagedIn ? "paged in" : "";
  const bound = residentFractionMin === undefined ? "" : `, at least ${percentText(residentFractionMin)} resident`;
  const times = tries > 1 ? `, ${tries} tries` : "";
  return `${(wallSeconds * 1000).toPrecision(3)} ms, ${(bytesPerSecond / 1e9).toPrecision(3)} GB/s${bound}${times}${pagedIn ? ", paged in" : ""}`;
}

function latencyText(latency: Evidence["timing"]["latency"]): string[] {
  if (latency === undefined) return [];
  return [`${latency.slowPagesCount} of ${latency.pages} pages slow (median ${latency.cyclesMedian}, most ${latency.cyclesMax} cycles)`];
}

/** Never rounded up: 99.99 % is not all of it. */
export function percentText(fraction: number): string {
  return `${(Math.floor(Math.max(0, fraction) * 1000) / 10).toFixed(1)} %`;
}
