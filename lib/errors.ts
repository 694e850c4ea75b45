/** The refusal: a stable code, where it was seen, and a sentence that helps. */

/** CRITICAL: an attack or a broken promise. HIGH: a model that must not load. INFO: an honest mistake. */
export type Severity = "CRITICAL" | "HIGH" | "INFO";

/** The audit event that each refusal is recorded as. */
export type RefusalEvent =
  | "PathTraversalAttempt"
  | "IntegrityViolation"
  | "MalformedModelRejected"
  | "ResourceLimitViolation"
  | "ModelLoadFailed";

/** A stable refusal code: it is never renamed. The README says what each means and what to do. */
export type ModelLoadErrorCode =
  | "PATH_TRAVERSAL"
  | "DIGEST_MISMATCH"
  | "CHANGED_WHILE_READ"
  | "CHANGED_AFTER_CHECK"
  | "DIGEST_REQUIRED"
  | "DIGEST_CONFLICT"
  | "DIGEST_SOURCE_INVALID"
  | "GGUF_NOT_GGUF"
  | "GGUF_UNSUPPORTED_VERSION"
  | "GGUF_BIG_ENDIAN"
  | "GGUF_TRUNCATED"
  | "GGUF_LIMIT_EXCEEDED"
  | "GGUF_BAD_KEY"
  | "GGUF_DUPLICATE_KEY"
  | "GGUF_BAD_VALUE_TYPE"
  | "GGUF_BAD_ARRAY"
  | "GGUF_BAD_ALIGNMENT"
  | "GGUF_BAD_TENSOR_NAME"
  | "GGUF_DUPLICATE_TENSOR"
  | "GGUF_BAD_SHAPE"
  | "GGUF_BAD_TENSOR_TYPE"
  | "GGUF_BAD_TENSOR_OFFSET"
  | "GGUF_BAD_SPLIT"
  | "GGUF_ENGINE_UNSAFE"
  | "GGUF_NONCONFORMANT"
  | "TOO_LARGE"
  | "NOT_FOUND"
  | "PERMISSION_DENIED"
  | "NOT_REGULAR_FILE"
  | "IO"
  | "ABORTED"
  | "GUARD_UNAVAILABLE"
  | "AUDIT_UNAVAILABLE"
  | "PLATFORM_UNSUPPORTED"
  | "INTERNAL";

/** What every refusal with a code has in common. */
export interface CodeFacts {
  readonly event: RefusalEvent;
  readonly severity: Severity;
  /** True where the same call can succeed later without anyone changing the request. */
  readonly retriable: boolean;
}

const critical = (event: RefusalEvent, retriable = false): CodeFacts => ({ event, severity: "CRITICAL", retriable });
const high = (event: RefusalEvent): CodeFacts => ({ event, severity: "HIGH", retriable: false });
const info = (retriable = false): CodeFacts => ({ event: "ModelLoadFailed", severity: "INFO", retriable });

/** Every code that a refusal can carry, with its event and severity. */
export const REFUSAL_CODES: Readonly<Record<ModelLoadErrorCode, CodeFacts>> = {
  PATH_TRAVERSAL: critical("PathTraversalAttempt"),
  DIGEST_MISMATCH: critical("IntegrityViolation"),
  CHANGED_WHILE_READ: critical("IntegrityViolation", true),
  CHANGED_AFTER_CHECK: critical("IntegrityViolation"),
  DIGEST_REQUIRED: info(),
  /** Who wrote the one or the other promised another file: a mistake, or somebody's work. */
  DIGEST_CONFLICT: critical("IntegrityViolation"),
  DIGEST_SOURCE_INVALID: { event: "ModelLoadFailed", severity: "HIGH", retriable: false },
  GGUF_NOT_GGUF: high("MalformedModelRejected"),
  GGUF_UNSUPPORTED_VERSION: high("MalformedModelRejected"),
  GGUF_BIG_ENDIAN: high("MalformedModelRejected"),
  GGUF_TRUNCATED: high("MalformedModelRejected"),
  GGUF_LIMIT_EXCEEDED: high("ResourceLimitViolation"),
  GGUF_BAD_KEY: high("MalformedModelRejected"),
  GGUF_DUPLICATE_KEY: high("MalformedModelRejected"),
  GGUF_BAD_VALUE_TYPE: high("MalformedModelRejected"),
  GGUF_BAD_ARRAY: high("MalformedModelRejected"),
  GGUF_BAD_ALIGNMENT: high("MalformedModelRejected"),
  GGUF_BAD_TENSOR_NAME: high("MalformedModelRejected"),
  GGUF_DUPLICATE_TENSOR: high("MalformedModelRejected"),
  GGUF_BAD_SHAPE: high("MalformedModelRejected"),
  GGUF_BAD_TENSOR_TYPE: high("MalformedModelRejected"),
  GGUF_BAD_TENSOR_OFFSET: high("MalformedModelRejected"),
  GGUF_BAD_SPLIT: high("MalformedModelRejected"),
  GGUF_ENGINE_UNSAFE: high("MalformedModelRejected"),
  GGUF_NONCONFORMANT: high("MalformedModelRejected"),
  TOO_LARGE: high("ResourceLimitViolation"),
  NOT_FOUND: info(),
  PERMISSION_DENIED: info(),
  NOT_REGULAR_FILE: info(),
  IO: info(true),
  ABORTED: info(true),
  /** Whoever holds the file open for writing can bring this about: it is no mere mistake. */
  GUARD_UNAVAILABLE: { event: "ModelLoadFailed", severity: "HIGH", retriable: false },
  AUDIT_UNAVAILABLE: { event: "ModelLoadFailed", severity: "CRITICAL", retriable: true },
  PLATFORM_UNSUPPORTED: info(),
  INTERNAL: info(),
};

/** What a refusal can say beside its code; all of it is safe to log (no file content, no path outside the root). */
export interface RefusalFacts {
  readonly message: string;
  /** Byte offset in the file of what was refused. */
  readonly offset?: number | undefined;
  /** Metadata key, tensor name or option that was refused, escaped to printable ASCII. */
  readonly field?: string | undefined;
  /** What was promised or allowed: a digest in hex, or a number of bytes. */
  readonly expected?: string | undefined;
  /** What was found instead. */
  readonly actual?: string | undefined;
  /** SHA-256 of the whole file, where all of it was read. */
  readonly sha256?: string | undefined;
  /** Which part of a split model it is about, from 1 as in the parts' names. */
  readonly part?: number | undefined;
  readonly retriable?: boolean | undefined;
  readonly cause?: unknown;
}

/** A model was refused. Thrown only after the refusal's audit record is on disk, or `auditError` says why it is not. */
export class ModelLoadError extends Error {
  override readonly name: string = "ModelLoadError";
  readonly code: ModelLoadErrorCode;
  readonly severity: Severity;
  readonly retriable: boolean;
  readonly offset: number | undefined;
  readonly field: string | undefined;
  readonly expected: string | undefined;
  readonly actual: string | undefined;
  readonly sha256: string | undefined;
  /** Which part of a split model it is about, from 1 as in the parts' names. */
  readonly part: number | undefined;
  /** Set when the refusal could not be recorded; the refusal stands all the same. */
  auditError?: Error;

  constructor(code: ModelLoadErrorCode, facts: RefusalFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.severity = REFUSAL_CODES[code].severity;
    this.retriable = facts.retriable ?? REFUSAL_CODES[code].retriable;
    this.offset = facts.offset;
    this.field = facts.field;
    this.expected = facts.expected;
    this.actual = facts.actual;
    this.sha256 = facts.sha256;
    this.part = facts.part;
  }
}

/** Narrows a code that came over the native boundary; an unknown one is a bug and is named as such. */
export function refusalCode(code: string): ModelLoadErrorCode {
  return Object.hasOwn(REFUSAL_CODES, code) ? (code as ModelLoadErrorCode) : "INTERNAL";
}
