/**
 * The details that each type of event comes with. `reason`, `target` and who asked are fields of the record and no details.
 *
 * To add an event: a line here, and one in event-table.ts; the compiler holds the two together.
 */

/** What every decision about a model says about how it was made. */
export interface DecisionDetails {
  readonly root?: string | undefined;
  readonly strict?: boolean | undefined;
  readonly engineSafety?: boolean | undefined;
  readonly requireDigest?: boolean | undefined;
  /** The source of digests that had one of this model, and the file that it was read from. */
  readonly digestFrom?: string | undefined;
  readonly digestFile?: string | undefined;
  readonly maxBytes?: number | undefined;
  readonly minGuard?: string | undefined;
  /** `always` where the SHA-256 was to be computed whatever was recorded. */
  readonly flatDigest?: string | undefined;
  readonly durationMs?: number | undefined;
  /** False: the decision is about a file and holds no data about a person, but for an actor that the host may have named. */
  readonly dataSubject?: boolean | undefined;
}

/** The model's second digest, and which implementation made each of the two. */
export interface DigestDetails {
  readonly blake3?: string | undefined;
  /** `sha256`, or `tiles` under the record of an earlier proof, and when that was made. */
  readonly proof?: string | undefined;
  readonly recordedAt?: string | undefined;
  readonly sha256By?: string | undefined;
  readonly blake3By?: string | undefined;
}

/** What became of the records of earlier verifications. */
export interface RecordDetails {
  /** Why one was not believed, in a word; the sentence stands in a `VerificationRecordIgnored` of its own. */
  readonly recordIgnored?: string | undefined;
  readonly recordStored?: boolean | undefined;
  readonly recordNotStoredBecause?: string | undefined;
}

/** What every refusal says about what was refused. */
export interface RefusalDetails extends DecisionDetails, RecordDetails {
  readonly message?: string | undefined;
  /** Byte offset in the file. */
  readonly offset?: number | undefined;
  readonly field?: string | undefined;
  /** A digest in hex, or a number of bytes. */
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
  /** Which part of a split model it is about, from 1; the target's path is that part's. */
  readonly part?: number | undefined;
}

/** The parts of a split model. Their names follow from the first one's, which is the target's path. */
export interface SetDetails {
  readonly parts?: number | undefined;
  /** Each part's guard, in order, where they are not the same. */
  readonly partGuards?: string | undefined;
  /** SHA-256 of the parts in order, seven to a detail. The target's own digest is made of all of them. */
  readonly partDigests1?: string | undefined;
  readonly partDigests2?: string | undefined;
  readonly partDigests3?: string | undefined;
  readonly partDigests4?: string | undefined;
  readonly partDigests5?: string | undefined;
  readonly partDigests6?: string | undefined;
}

/** What keeps an accepted model's bytes from changing. */
export interface GuardDetails {
  readonly guard?: string | undefined;
  /** Why no better guard was had. */
  readonly guardShortfall?: string | undefined;
  readonly verityDigest?: string | undefined;
}

/** The digest that the kernel holds the file to, and whether it was compared with one made from the verified bytes. */
export interface ProtectionDetails {
  readonly verityDigest?: string | undefined;
  readonly already?: boolean | undefined;
  readonly compared?: boolean | undefined;
}

/** Something that was seen on a device while a seal stood on it. */
export interface SightingDetails {
  readonly observed: string;
  readonly deviceUuid?: string | undefined;
  readonly shardId?: string | undefined;
}

/** A check that ended well: how much it covered, and what it rests on. */
export interface CoverageDetails {
  readonly coverage: string;
  readonly evidence: string;
  readonly deviceUuid?: string | undefined;
}

/** Bytes at the end of a segment that are no record. */
export interface TailDetails {
  readonly segment: string;
  readonly offset: number;
  readonly len: number;
  readonly sha256: string;
}

/** What runs here: said once, for boot id, process id and start time tie every record to its opening. */
export interface InstallationDetails {
  readonly exe?: string | undefined;
  /** SHA-256 of the native library's file. */
  readonly addonSha256?: string | undefined;
}

/** Whatever there is to say. */
export type FreeDetails = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Every type of event, with its details. */
export interface EventDetails {
  readonly PathTraversalAttempt: RefusalDetails;
  readonly IntegrityViolation: RefusalDetails;
  readonly MalformedModelRejected: RefusalDetails;
  readonly ResourceLimitViolation: RefusalDetails;
  readonly ModelLoadFailed: RefusalDetails;
  readonly ModelLoaded: DecisionDetails & SetDetails & DigestDetails & RecordDetails & GuardDetails & { readonly findings?: number | undefined };
  /** The record's `reason` says why. */
  readonly VerificationRecordIgnored: { readonly message: string; readonly root?: string | undefined };
  /** The file can no longer be changed, only replaced. `already`: it could not before. */
  readonly ModelProtected: DecisionDetails & DigestDetails & RecordDetails & ProtectionDetails & { readonly findings?: number | undefined };
  readonly ModelUnloaded: { readonly reason?: string | undefined };
  readonly GuardBroken: { readonly guard: string; readonly minGuard?: string | undefined };

  readonly VramAllocated: { readonly requestedBytes: number; readonly availableBytes: number; readonly deviceUuid: string };
  /** The record's `reason` says why. */
  readonly VramAllocationFailed: {
    readonly requestedBytes: number;
    readonly availableBytes?: number | undefined;
    readonly deviceUuid?: string | undefined;
    /** Of a split model: which part, counted from 1; of all of it none. */
    readonly part?: number | undefined;
  };
  readonly VramSealed: { readonly shardId: string; readonly deviceUuid: string; readonly vramBytes: number; readonly digest: string };
  readonly SealVerified: { readonly shardId: string; readonly level: "quick" | "full" | "sample" | "challenge"; readonly evidence: string };
  /** The record's `reason` says how it failed. */
  readonly SealVerificationFailed: {
    readonly shardId: string;
    readonly expectedDigest: string;
    readonly actualDigest?: string | undefined;
    /** How many; the first of them, and the tensors that they belong to, as text. */
    readonly badTiles?: number | undefined;
    readonly badTileList?: string | undefined;
    readonly badTensors?: string | undefined;
    /** Of a split model: the first part that is wrong, counted from 1; tiles are then `PART:TILE`. */
    readonly part?: number | undefined;
  };
  readonly VramDeallocated: { readonly shardId: string; readonly freedBytes: number };
  /** `action`: what was done about it. */
  readonly PolicyViolation: { readonly policy: string; readonly violation: string; readonly action: string };
  readonly ResidencyLost: SightingDetails & { readonly bytes?: number | undefined };
  readonly PageMigrated: SightingDetails & { readonly pages?: number | undefined };
  readonly DeviceLost: SightingDetails;
  readonly EccUncorrectable: SightingDetails & { readonly errors?: number | undefined };
  readonly ScrubCompleted: CoverageDetails;
  readonly ForeignVerified: CoverageDetails;

  /** How the last run ended, and the settings of this one; 0 or absent: none. */
  readonly AuditOpened: {
    readonly previous: "none" | "closed" | "unclean" | "damaged";
    readonly records: number;
    readonly segmentBytes?: number | undefined;
    readonly rotateDaily?: boolean | undefined;
    readonly reserveBytes?: number | undefined;
    readonly retentionDays?: number | undefined;
    readonly retentionBytes?: number | undefined;
    readonly flood?: string | undefined;
    readonly checkpoints?: boolean | undefined;
  } & InstallationDetails;
  readonly AuditClosed: { readonly why: string };
  readonly AuditRotated: { readonly segment: string; readonly bytes: number; readonly why: "size" | "day" };
  readonly AuditRecovered: TailDetails;
  /** What the tail was is missing where the failed disk did not let it be read. */
  readonly AuditSegmentAbandoned: Partial<Omit<TailDetails, "segment">> & { readonly segment: string; readonly message: string };
  readonly AuditEventsLost: { readonly count: number; readonly critical: number; readonly since: string };
  readonly AuditDiskFull: { readonly message: string };
  readonly AuditSpaceRestored: FreeDetails;
  /** `distinct`: unlike each other in actor or target, counted up to 1,000; a sample is `actor path`. */
  readonly AuditEventsSuppressed: {
    readonly type: string;
    readonly severity: string;
    readonly count: number;
    readonly first: string;
    readonly last: string;
    readonly sha256: string;
    readonly distinct: number;
    readonly sample1?: string | undefined;
    readonly sample2?: string | undefined;
    readonly sample3?: string | undefined;
    readonly sample4?: string | undefined;
  };
  /** One segment each. `head`: what the first record behind the cut, `next`, names as its predecessor. */
  readonly AuditPruned: {
    readonly segment: string;
    readonly first: number;
    readonly last: number;
    readonly next: number;
    readonly head: string;
    readonly bytes: number;
    readonly retentionDays?: number | undefined;
    readonly retentionBytes?: number | undefined;
  };
  /** UTC as the monotonic clock would have it, and as it was found; positive: the wall clock went forward. */
  readonly AuditClockStepped: { readonly before: string; readonly after: string; readonly deltaMs: number };
  readonly AuditConfigured: FreeDetails;
  readonly AuditDamageForced: {
    readonly seq: number;
    readonly kind: string;
    readonly segment?: string | undefined;
    readonly offset?: number | undefined;
    readonly message: string;
  };
  /** What the checkpoint signed and what the trail has; roots in base64. */
  readonly AuditRollbackDetected: {
    readonly signedOrigin?: string | undefined;
    readonly signedSize?: number | undefined;
    readonly signedRoot?: string | undefined;
    readonly foundSize: number;
    readonly foundRoot?: string | undefined;
    readonly keptIn?: string | undefined;
    readonly message?: string | undefined;
    /** Where a sink proved it: which one, and the record that it holds. */
    readonly sink?: string | undefined;
    readonly sinkSeq?: number | undefined;
  };
  /** `checkpoint`: the size of the last one that the old key signed. */
  readonly AuditKeyRotated: {
    readonly origin: string;
    readonly keyId: string;
    readonly vkey: string;
    readonly beside: string;
    readonly checkpoint: number;
  };
  /** `next`: the first record that the sink lacks. */
  readonly AuditSinkFailed: { readonly sink: string; readonly next: number; readonly message: string };
  readonly AuditSinkRecovered: {
    readonly sink: string;
    readonly from: number;
    readonly to: number;
    readonly count: number;
    readonly failures: number;
    readonly seconds: number;
  };
  readonly UnrecognizedEvent: FreeDetails;
}
