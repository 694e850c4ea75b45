/** The addon's side of GPU memory: plain values, and one opaque handle for each vault and shard. */
import type { NativeAsk, NativeControl, NativeModel, NativeRoot, NativeVerdict } from "../native.ts";

export type BackendName = "cuda" | "vulkan";
export type DeviceKind = "discrete" | "integrated" | "cpu" | "virtual" | "unknown";
export type LevelName = "quick" | "sample" | "full" | "challenge";
export type VerdictName = "resident" | "not-resident" | "unified" | "inconclusive";
export type AccessName = "read-only" | "read-write";

export interface NativeDevice {
  readonly backend: BackendName;
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly pci?: string;
  readonly totalBytes: number;
  readonly freeBytes?: number;
  /** What this process holds of it, where NVML or Linux DRM counts it; absent also while it holds nothing, and in most containers. */
  readonly processBytes?: number;
  /** What it asked for there and the driver has elsewhere; only where Linux DRM counts it. */
  readonly evictedBytes?: number;
  readonly kind: DeviceKind;
  /** Why its memory may not be called VRAM; absent where it may. */
  readonly notVram?: string;
  readonly ecc?: boolean;
  readonly driver: string;
  readonly api: string;
  readonly driverModel?: "wddm" | "mcdm" | "tcc";
  readonly mig?: boolean;
  readonly addressing?: "separate" | "hmm" | "ats";
  readonly link?: { readonly bytesPerSecond: number; readonly name: string };
  readonly cacheBytes?: number;
  readonly peakBytesPerSecond?: number;
  readonly canProtect: boolean;
}

/** A call that failed, as data. */
export interface NativeVramFailure {
  readonly code: string;
  readonly message: string;
  readonly deviceUuid?: string;
  readonly driver?: { readonly call: string; readonly status: number; readonly name: string };
  readonly requestedBytes?: number;
  readonly availableBytes?: number;
  readonly policy?: string;
  /** Of a split model: which part, counted from 1. */
  readonly part?: number;
  readonly evidence?: NativeEvidence;
}

export interface NativeDevices {
  readonly devices: NativeDevice[];
  /** Why there are no more: one failure an interface that does not answer. */
  readonly absent: NativeVramFailure[];
}

export interface NativeAccounting {
  readonly totalBytes: number;
  readonly freeBytes?: number;
  readonly processBytes?: number;
  readonly evictedBytes?: number;
  readonly eccUncorrected?: number;
  readonly rowRemapPending?: boolean;
}

export interface NativeBadTile {
  /** Of a split model: which part it is in, counted from 1. */
  readonly part?: number;
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
  readonly expected: string;
  readonly actual: string;
  readonly tensors: string[];
}

export interface NativeLatency {
  readonly pages: number;
  readonly pageBytes: number;
  readonly cyclesMin: number;
  readonly cyclesMedian: number;
  readonly cyclesMax: number;
  readonly localCycles?: number;
  readonly hostCycles?: number;
  readonly slowCycles?: number;
  readonly slowPagesCount: number;
  readonly slowPages: number[];
}

export interface NativeEvidence {
  readonly level: LevelName;
  readonly verdict: VerdictName;
  readonly reasons: string[];
  readonly deviceUuid: string;
  readonly kernel: { readonly name: string; readonly blake3: string; readonly driverLibrary: string };
  readonly accounting: NativeAccounting;
  readonly placement: {
    readonly memoryType: "device" | "host" | "unified" | "unknown";
    readonly managed?: boolean;
    readonly onDevice?: boolean;
    readonly pinned?: boolean;
    readonly hostVisible?: boolean;
    readonly allocationId?: bigint;
    readonly allocationBytes?: number;
    readonly access: AccessName;
  };
  readonly content: {
    readonly bytesTotal: number;
    readonly bytesChecked: number;
    readonly tilesChecked: number;
    readonly root?: string;
    readonly badTilesCount: number;
    readonly badTiles: NativeBadTile[];
  };
  readonly timing: {
    readonly wallSeconds: number;
    readonly deviceSeconds?: number;
    readonly bytesPerSecond: number;
    readonly calibratedSeconds?: number;
    readonly tries: number;
    readonly residentFractionMin?: number;
    readonly pagedIn: boolean;
    readonly latency?: NativeLatency;
  };
  readonly freshness: { readonly method: "none" | "fresh-mac" | "book" | "sampled"; readonly nonce?: string; readonly response?: string; readonly expected?: string };
  readonly atUnixMs: number;
  /** Of a split model: what each part showed, in order. */
  readonly parts?: NativeEvidence[];
}

export interface NativeVramPolicy {
  readonly requireEcc: boolean;
  readonly requireReadOnly: boolean;
  readonly allowUnified: boolean;
  readonly headroomBytes: number;
  readonly residentFractionMin?: number;
  readonly slowPagesMax: number;
  readonly slowFactor: number;
  readonly triesMax: number;
}

export interface NativeSealRecord {
  readonly version: number;
  /** The sealed model's; the parts of a split model share it. */
  readonly shardId: string;
  /** Which file of the model this is, counted from 1, and how many there are. */
  readonly part: number;
  readonly parts: number;
  readonly backend: BackendName;
  readonly deviceUuid: string;
  readonly pci?: string;
  readonly driver: string;
  readonly kernel: string;
  readonly bootId?: string;
  /** `allocationId` in decimal digits: the number may be larger than JavaScript's own. */
  readonly ranges: readonly { readonly allocationId?: string; readonly offset: number; readonly bytes: number }[];
  readonly root: string;
  readonly sha256: string;
  readonly access: AccessName;
  readonly policy: string;
  readonly sealedAtUnixMs: number;
  readonly mac: string;
}

/** Evidence, or why there is none. */
export interface NativeChecked {
  readonly evidence?: NativeEvidence;
  readonly failure?: NativeVramFailure;
}

/** `p`: the fraction of the tiles for "sample". `nonce`: 32 bytes for "challenge" and "book". `answer`: for "book", where it is known. */
export interface NativeCheckAsk {
  readonly level: LevelName | "book";
  readonly p?: number;
  readonly nonce?: Uint8Array;
  readonly answer?: Uint8Array;
}

/** Entries in hex; none where the evidence shows anything wrong. */
export interface NativeBook extends NativeChecked {
  readonly entries: readonly { readonly nonce: string; readonly answer: string }[];
}

/** One step of a scrub. `evidence` where it ended a pass or found something wrong. */
export interface NativeScrubStep extends NativeChecked {
  readonly bytes: number;
  readonly seconds: number;
  /** How long to rest before the next step, for the duty cycle. */
  readonly restMs: number;
  /** Part of the running pass that is done. */
  readonly coverage: number;
  readonly passes: number;
}

export interface NativeScrub {
  step(budgetMs: number, control: NativeControl): Promise<NativeScrubStep>;
}

export interface NativeFreed {
  readonly freedBytes?: number;
  readonly failure?: NativeVramFailure;
}

/** A file's verdict, and what became of its seal. Refused: `refusal`. Verified and not sealed: `failure`. */
export interface NativeSealed extends Omit<NativeVerdict, "model"> {
  readonly failure?: NativeVramFailure;
  readonly shard?: NativeShard;
  readonly evidence?: NativeEvidence;
  /** One a file. */
  readonly seals?: readonly NativeSealRecord[];
  /** Seconds from the first byte read to the seal. */
  readonly seconds?: number;
}

/** The same of a split model. `parts`: what is known of its files, once they are verified. */
export interface NativeSealedSet extends Pick<NativeSealed, "refusal" | "failure" | "shard" | "sha256" | "records" | "evidence" | "seals" | "seconds"> {
  readonly parts?: NativeVerdict[];
}

export interface NativeShard {
  verify(ask: NativeCheckAsk, control: NativeControl): Promise<NativeChecked>;
  /** Answers to nonces that nobody else knows, and the full check that vouches for them. */
  book(entries: number, control: NativeControl): Promise<NativeBook>;
  /** Random tiles held against those of the model's files, which are read again. */
  spotCheck(files: readonly NativeModel[], p: number, control: NativeControl): Promise<NativeChecked>;
  /** 32 bytes a tile, file by file. @throws Error where the shard is gone */
  tileValues(): Buffer[];
  /** The device address of each file's first byte; null where there is none. @throws Error where the shard is gone */
  pointers(): (bigint | null)[];
  /** @throws Error where the shard is gone */
  newScrub(duty: number): NativeScrub;
  /** Clears and frees the memory; waits for the slice that is being hashed. A second call frees nothing. */
  free(): Promise<NativeFreed>;
  /** The same, blocking. */
  freeSync(): NativeFreed;
}

export interface NativeRange {
  readonly pointer: bigint;
  readonly bytes: number;
  readonly tensor: string;
}

/** One range, and what was found there. Digests are BLAKE3 of the tensor's bytes, in hex. */
export interface NativeRangeSeen extends NativeRange {
  /** Which file of the model its tensor is in, counted from 1. */
  readonly part: number;
  readonly verdict: VerdictName;
  readonly reasons: string[];
  readonly expected: string;
  readonly actual: string;
  readonly placement: NativeEvidence["placement"];
  readonly latency?: NativeLatency;
}

export interface NativeForeign {
  readonly failure?: NativeVramFailure;
  readonly seen?: {
    readonly verdict: VerdictName;
    /** Why all ranges together are not `resident`, where no single one says it. */
    readonly reasons: string[];
    readonly deviceUuid: string;
    readonly kernel: NativeEvidence["kernel"];
    /** In the order that was asked for. */
    readonly ranges: NativeRangeSeen[];
    readonly bytesChecked: number;
    readonly wallSeconds: number;
    readonly residentFractionMin?: number;
    readonly accounting: NativeAccounting;
    readonly atUnixMs: number;
  };
}

/** Rates in bytes a second; `loadSeconds`: what the driver took to compile and load the kernels. */
export interface NativeMeasured {
  readonly failure?: NativeVramFailure;
  readonly bytes: number;
  readonly hashBytesPerSecond: number;
  readonly deviceHashBytesPerSecond?: number;
  readonly copyBytesPerSecond?: number;
  readonly loadSeconds?: number;
  /** Each kernel that could have been used, alone. */
  readonly kernels: { readonly name: string; readonly bytesPerSecond: number }[];
}

/** Where, and under which rules. */
export interface NativePlace {
  readonly backend: BackendName;
  readonly deviceUuid: string;
  readonly policy: NativeVramPolicy;
  /** What the seal's key is derived from; absent for a key of this process's own. */
  readonly secret?: Uint8Array;
}

/** Memory of this process that graphics drivers count, on all devices together, in bytes. */
export interface NativeDrmUse {
  /** The host's, where a device can reach it. */
  readonly hostBytes?: number;
  /** Asked for in devices' memory and not there. */
  readonly evictedBytes?: number;
}

export interface NativeVram {
  /** Asks every driver anew, or that of one interface alone, in which case no other is loaded. A missing driver is an answer. */
  vramDevices(backend?: BackendName): Promise<NativeDevices>;
  /** What Linux DRM counts for this process; without such a driver everything is absent. */
  vramDrmUse(): Promise<NativeDrmUse>;
  /** Reads the file once, and seals the very bytes that are judged. */
  vramSeal(root: NativeRoot, path: Uint8Array, ask: NativeAsk, place: NativePlace, control: NativeControl): Promise<NativeSealed>;
  /** The same for all parts of a split model, or none. `parts`: their promised digests, in order, empty where there is none. */
  vramSealSet(root: NativeRoot, path: Uint8Array, ask: NativeAsk, parts: readonly string[], place: NativePlace, control: NativeControl): Promise<NativeSealedSet>;
  /** Hashes memory that another library allocated in this process and compares it with the tensors of the verified model, whose files these are, in order. */
  vramVerifyRanges(files: readonly NativeModel[], ranges: readonly NativeRange[], place: NativePlace, control: NativeControl): Promise<NativeForeign>;
  /** Holds a record against the seal of the secret's key, or of this process. */
  vramCheckRecord(record: NativeSealRecord, secret?: Uint8Array): { readonly record?: NativeSealRecord; readonly failure?: NativeVramFailure };
  /** BLAKE3 of the file of so many bytes whose tiles have these values. @throws Error where there are not so many */
  tileListRoot(values: Uint8Array, sizeBytes: number): string;
  tileListResponse(files: readonly Uint8Array[], nonce: Uint8Array): string;
  /** How fast the device hashes so many bytes of its own memory, beside how fast it copies them. */
  vramMeasure(bytes: number, place: NativePlace, control: NativeControl): Promise<NativeMeasured>;
}
