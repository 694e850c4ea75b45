/** What evidence comes to: which promises it shows broken, each as the event that says so. */
import type { AuditEventOf } from "../audit/events.ts";
import { escapeText } from "../audit/escape.ts";
import type { VramErrorCode } from "./errors.ts";
import type { Evidence } from "./evidence.ts";

/** The events that evidence can lead to. */
export type FindingEvent = "SealVerificationFailed" | "ResidencyLost" | "PageMigrated" | "EccUncorrectable";

/** One broken promise. */
export type Finding = {
  readonly [T in FindingEvent]: {
    readonly type: T;
    readonly code: VramErrorCode;
    /** A sentence for people. */
    readonly message: string;
    /** Of a split model: the first part that it is about, counted from 1. */
    readonly part?: number | undefined;
    readonly details: AuditEventOf<T>["details"];
  };
}[FindingEvent];

/** What the evidence is held against. */
export interface SealedFacts {
  readonly shardId: string;
  readonly deviceUuid: string;
  /** BLAKE3 of the sealed bytes. */
  readonly root: string;
  readonly sizeBytes: number;
  /** Uncorrected memory errors when it was sealed, or at the last look. */
  readonly eccUncorrected: number | undefined;
}

/** Tensors and tiles that a record names; the evidence holds more. */
const NAMED_MAX = 8;

/** In the order of their gravity: the first one names the error. Empty where nothing is broken. */
export function findingsOf(evidence: Evidence, sealed: SealedFacts): Finding[] {
  return [...contentFindings(evidence, sealed), ...answerFindings(evidence, sealed), ...placementFindings(evidence, sealed), ...pageFindings(evidence, sealed), ...eccFindings(evidence, sealed)];
}

function contentFindings({ content }: Evidence, { shardId, root }: SealedFacts): Finding[] {
  if (content.badTilesCount === 0) return [];
  const tensors = badTensorsOf(content);
  // Names come from the file, and messages go to terminals and logs.
  const where = tensors.length === 0 ? "" : `, in ${tensors.slice(0, NAMED_MAX).map(({ name, part }) => `${escapeText(name)}${part === undefined ? "" : ` (part ${part})`}`).join(", ")}`;
  const message = `${content.badTilesCount} of ${content.tilesChecked} tiles on the device are not what was sealed${where}`;
  return [{
    type: "SealVerificationFailed", code: "VRAM_VERIFICATION_FAILED", message, part: content.badTiles[0]?.part,
    details: { shardId, expectedDigest: root, actualDigest: content.root, ...badTilesOf(content) },
  }];
}

/** Another answer than the book has, and every tile right: the bytes are, and the answer or the nonce is none of this seal's. */
function answerFindings({ content, freshness }: Evidence, { shardId }: SealedFacts): Finding[] {
  if (content.badTilesCount > 0 || !answeredWrong(freshness)) return [];
  const message = "the keyed digest of all bytes is not the answer that the book has, and every tile is as sealed: the answer may be another seal's";
  return [{
    type: "SealVerificationFailed", code: "VRAM_VERIFICATION_FAILED", message,
    details: { shardId, expectedDigest: freshness.expected ?? "", actualDigest: freshness.response },
  }];
}

function answeredWrong({ expected, response }: Evidence["freshness"]): boolean {
  return expected !== undefined && expected !== response;
}

/**
 * What a record says of wrong tiles: how many, and the first of them with the tensors that they hold. Of a split model `part` is the
 * first of them too, and tiles are named as `PART:TILE`.
 */
export function badTilesOf(content: Evidence["content"]): { readonly badTiles: number; readonly badTileList: string; readonly badTensors: string; readonly part: number | undefined } {
  return {
    badTiles: content.badTilesCount,
    badTileList: content.badTiles.slice(0, NAMED_MAX).map(({ part, index }) => (part === undefined ? index : `${part}:${index}`)).join(" "),
    badTensors: badTensorsOf(content).slice(0, NAMED_MAX).map(({ name }) => name).join(" "),
    part: content.badTiles[0]?.part,
  };
}

/** The tensors that wrong bytes belong to, each once. */
export function badTensorsOf({ badTiles }: Evidence["content"]): { readonly name: string; readonly part: number | undefined }[] {
  const parts = new Map(badTiles.flatMap(({ tensors, part }) => tensors.map((name) => [name, part] as const)));
  return [...parts].map(([name, part]) => ({ name, part }));
}

/** Not resident for no other reason that is seen: the driver says that the memory is not the device's, or not the one that was sealed. */
function placementFindings({ verdict, content, timing, reasons, placement, freshness }: Evidence, sealed: SealedFacts): Finding[] {
  const slow = timing.latency?.slowPagesCount ?? 0;
  const elsewhere = placement.memoryType === "host" || placement.managed === true || placement.onDevice === false;
  const unexplained = content.badTilesCount === 0 && slow === 0 && !answeredWrong(freshness);
  if (verdict !== "not-resident" || !(elsewhere || unexplained)) return [];
  const observed = reasons.join(" ") || "the memory is no longer the device's own";
  const { shardId, deviceUuid, sizeBytes } = sealed;
  return [{ type: "ResidencyLost", code: "VRAM_NOT_RESIDENT", message: observed, details: { observed, deviceUuid, shardId, bytes: sizeBytes } }];
}

function pageFindings({ verdict, timing }: Evidence, { shardId, deviceUuid }: SealedFacts): Finding[] {
  const { slowPagesCount = 0, pages = 0, slowPages = [], hostCycles, cyclesMax = 0 } = timing.latency ?? {};
  if (verdict !== "not-resident" || slowPagesCount === 0) return [];
  const like = hostCycles === undefined ? "" : `, where host memory takes ${hostCycles}`;
  const observed = `${slowPagesCount} of ${pages} pages answer in up to ${cyclesMax} cycles${like}: ${slowPages.slice(0, NAMED_MAX).join(" ")}`;
  return [{ type: "PageMigrated", code: "VRAM_NOT_RESIDENT", message: observed, details: { observed, deviceUuid, shardId, pages: slowPagesCount } }];
}

/** New uncorrectable errors of the device, wherever they were: an event, and no verdict on these bytes, whose digest speaks for itself. */
function eccFindings({ accounting }: Evidence, { shardId, deviceUuid, eccUncorrected }: SealedFacts): Finding[] {
  const now = accounting.eccUncorrected;
  if (now === undefined || eccUncorrected === undefined || now <= eccUncorrected) return [];
  const errors = now - eccUncorrected;
  const remap = accounting.rowRemapPending === true ? "; a row waits to be replaced at the next reset" : "";
  const observed = `${errors} memory errors that could not be corrected since the last look${remap}`;
  return [{ type: "EccUncorrectable", code: "VRAM_VERIFICATION_FAILED", message: observed, details: { observed, deviceUuid, shardId, errors } }];
}

/** The findings that a check fails for; the others are only recorded. */
export function failing(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ type }) => type !== "EccUncorrectable");
}
