/**
 * Every event that can be recorded: its severity unless it says otherwise, and the kinds of its details. The metrics' labels and the
 * published JSON Schema are made from this table.
 */
import type { Severity } from "../errors.ts";
import type { EventDetails } from "./event-details.ts";

export type AuditEventType = keyof EventDetails;

/** The details that an event of type `T` is made with. */
export type DetailsOf<T extends AuditEventType> = EventDetails[T];

/** "whole" is 0 to 2^53-1. A "?" stands behind what may be missing; a list holds the words that a text may be. */
export type DetailKind = "text" | "whole" | "number" | "flag";
export type DetailSpec = DetailKind | `${DetailKind}?` | readonly string[];

export interface EventSpec<Details = Readonly<Record<string, DetailSpec>>> {
  readonly severity: Severity;
  readonly details: Details;
}

/** The only specs that fit a type of details: none missing, none too many, each of its kind. */
type SpecsOf<D> = { readonly [K in keyof D]-?: SpecOf<NonNullable<D[K]>, Partial<Pick<D, K>> extends Pick<D, K> ? "?" : ""> };
type SpecOf<V, Mark extends string> =
  [V] extends [boolean] ? `flag${Mark}`
  : [V] extends [number] ? `whole${Mark}` | `number${Mark}`
  : string extends V ? `text${Mark}`
  : readonly V[];

type Table = { readonly [T in AuditEventType]: EventSpec<SpecsOf<EventDetails[T]>> };

const DECISION = {
  root: "text?", strict: "flag?", engineSafety: "flag?", requireDigest: "flag?",
  digestFrom: "text?", digestFile: "text?", maxBytes: "whole?", minGuard: "text?",
  flatDigest: "text?", durationMs: "number?", dataSubject: "flag?",
} as const;
const RECORD = { recordIgnored: "text?", recordStored: "flag?", recordNotStoredBecause: "text?" } as const;
const REFUSAL = { message: "text?", offset: "whole?", field: "text?", expected: "text?", actual: "text?", part: "whole?", ...RECORD, ...DECISION } as const;
const SET = {
  parts: "whole?", partGuards: "text?", partDigests1: "text?", partDigests2: "text?", partDigests3: "text?", partDigests4: "text?",
  partDigests5: "text?", partDigests6: "text?",
} as const;
const SIGHTING = { observed: "text", deviceUuid: "text?", shardId: "text?" } as const;
const COVERAGE = { coverage: "text", evidence: "text", deviceUuid: "text?" } as const;

const TABLE: Table = {
  /** A path led out of the root. */
  PathTraversalAttempt: { severity: "CRITICAL", details: REFUSAL },
  /** The bytes are not those that were promised, or changed while they were read. */
  IntegrityViolation: { severity: "CRITICAL", details: REFUSAL },
  MalformedModelRejected: { severity: "HIGH", details: REFUSAL },
  ResourceLimitViolation: { severity: "HIGH", details: REFUSAL },
  /** An honest mistake, or a disk that failed. */
  ModelLoadFailed: { severity: "INFO", details: REFUSAL },
  ModelLoaded: {
    severity: "INFO",
    details: {
      findings: "whole?", blake3: "text?", proof: "text?", recordedAt: "text?", sha256By: "text?", blake3By: "text?", ...RECORD,
      guard: "text?", guardShortfall: "text?", verityDigest: "text?", ...SET, ...DECISION,
    },
  },
  /** The record of an earlier verification was not believed, and the SHA-256 was computed again. */
  VerificationRecordIgnored: { severity: "HIGH", details: { message: "text", root: "text?" } },
  /** The kernel holds the file to its verified bytes from now on (fs-verity). */
  ModelProtected: {
    severity: "INFO",
    details: {
      findings: "whole?", blake3: "text?", proof: "text?", recordedAt: "text?", sha256By: "text?", blake3By: "text?", ...RECORD,
      verityDigest: "text?", already: "flag?", compared: "flag?", ...DECISION,
    },
  },
  ModelUnloaded: { severity: "INFO", details: { reason: "text?" } },
  /** Somebody asked to write to the file of a model that is in use: its bytes are guarded no longer. */
  GuardBroken: { severity: "HIGH", details: { guard: "text", minGuard: "text?" } },

  VramAllocated: { severity: "INFO", details: { requestedBytes: "whole", availableBytes: "whole", deviceUuid: "text" } },
  VramAllocationFailed: { severity: "HIGH", details: { requestedBytes: "whole", availableBytes: "whole?", deviceUuid: "text?", part: "whole?" } },
  /** The bytes on the device are those of the verified model, and their digest is kept. */
  VramSealed: { severity: "INFO", details: { shardId: "text", deviceUuid: "text", vramBytes: "whole", digest: "text" } },
  SealVerified: { severity: "INFO", details: { shardId: "text", level: ["quick", "full", "sample", "challenge"], evidence: "text" } },
  SealVerificationFailed: {
    severity: "CRITICAL",
    details: { shardId: "text", expectedDigest: "text", actualDigest: "text?", badTiles: "whole?", badTileList: "text?", badTensors: "text?", part: "whole?" },
  },
  VramDeallocated: { severity: "INFO", details: { shardId: "text", freedBytes: "whole" } },
  PolicyViolation: { severity: "CRITICAL", details: { policy: "text", violation: "text", action: "text" } },
  /** Weights left the device's memory. */
  ResidencyLost: { severity: "CRITICAL", details: { ...SIGHTING, bytes: "whole?" } },
  PageMigrated: { severity: "CRITICAL", details: { ...SIGHTING, pages: "whole?" } },
  DeviceLost: { severity: "CRITICAL", details: SIGHTING },
  EccUncorrectable: { severity: "CRITICAL", details: { ...SIGHTING, errors: "whole?" } },
  ScrubCompleted: { severity: "INFO", details: COVERAGE },
  /** Weights that another program put on the device were found to be the promised ones. */
  ForeignVerified: { severity: "INFO", details: COVERAGE },

  /** The life of the trail itself. */
  AuditOpened: {
    severity: "INFO",
    details: {
      previous: ["none", "closed", "unclean", "damaged"], records: "whole", segmentBytes: "whole?", rotateDaily: "flag?", reserveBytes: "whole?",
      retentionDays: "whole?", retentionBytes: "whole?", flood: "text?", checkpoints: "flag?",
      exe: "text?", addonSha256: "text?",
    },
  },
  AuditClosed: { severity: "INFO", details: { why: "text" } },
  AuditRotated: { severity: "INFO", details: { segment: "text", bytes: "whole", why: ["size", "day"] } },
  /** The end of an earlier run was found unfinished; the bytes that are no record are described. */
  AuditRecovered: { severity: "HIGH", details: { segment: "text", offset: "whole", len: "whole", sha256: "text" } },
  /** A segment failed while it was written; what was not durable stands again in the next one. */
  AuditSegmentAbandoned: { severity: "HIGH", details: { segment: "text", offset: "whole?", len: "whole?", sha256: "text?", message: "text" } },
  /** Events that could not be recorded; their callers were told so. */
  AuditEventsLost: { severity: "CRITICAL", details: { count: "whole", critical: "whole", since: "text" } },
  /** The disk took no more; this record was written with the space of the reserve. */
  AuditDiskFull: { severity: "CRITICAL", details: { message: "text" } },
  /** The disk has room again, and the reserve was made anew. */
  AuditSpaceRestored: { severity: "INFO", details: {} },
  /** A flood: how many like events stand behind this one record, with the digest of all of them. */
  AuditEventsSuppressed: {
    severity: "HIGH",
    details: {
      type: "text", severity: "text", count: "whole", first: "text", last: "text", sha256: "text", distinct: "whole",
      sample1: "text?", sample2: "text?", sample3: "text?", sample4: "text?",
    },
  },
  /** A segment was deleted under the written retention policy; the chain's hash at the cut stands here. */
  AuditPruned: {
    severity: "HIGH",
    details: {
      segment: "text", first: "whole", last: "whole", next: "whole", head: "text", bytes: "whole", retentionDays: "whole?", retentionBytes: "whole?",
    },
  },
  /** The wall clock was set, or the machine slept: the times before and after do not compare. */
  AuditClockStepped: { severity: "HIGH", details: { before: "text", after: "text", deltaMs: "number" } },
  /** The trail, or a loader that writes to it, has other settings than before, or weaker ones than the default. */
  AuditConfigured: { severity: "HIGH", details: {} },
  /** A damaged trail was continued because the operator forced it. */
  AuditDamageForced: { severity: "CRITICAL", details: { seq: "whole", kind: "text", segment: "text?", offset: "whole?", message: "text" } },
  /** The trail is not the one that its own checkpoint signed, refused or forced by the operator; or not the one that a sink holds. */
  AuditRollbackDetected: {
    severity: "CRITICAL",
    details: {
      signedOrigin: "text?", signedSize: "whole?", signedRoot: "text?", foundSize: "whole", foundRoot: "text?", keptIn: "text?", message: "text?",
      sink: "text?", sinkSeq: "whole?",
    },
  },
  /** Checkpoints are signed with a new key from here on. */
  AuditKeyRotated: { severity: "HIGH", details: { origin: "text", keyId: "text", vkey: "text", beside: "text", checkpoint: "whole" } },
  /** A sink beyond this machine takes no records; they wait here. */
  AuditSinkFailed: { severity: "HIGH", details: { sink: "text", next: "whole", message: "text" } },
  /** The sink has got everything that was held back. */
  AuditSinkRecovered: {
    severity: "INFO",
    details: { sink: "text", from: "whole", to: "whole", count: "whole", failures: "whole", seconds: "whole" },
  },
  /** The event's type is not in this table: recorded all the same, with what was given. */
  UnrecognizedEvent: { severity: "HIGH", details: {} },
};

export const EVENTS: Readonly<Record<AuditEventType, EventSpec>> = TABLE;
