/** model-loader: the gate in front of an inference host's models. */
export { AuditLog } from "./audit/log.ts";
export type { AuditLogOptions, AuditReceipt } from "./audit/log.ts";
export type { AuditEvent, AuditEventType } from "./audit/events.ts";
export { AuditWriteError } from "./audit/errors.ts";
export { verifyTrail } from "./audit/verify.ts";
export type { TrailReport } from "./audit/verify.ts";
export type { BytesLike } from "./bytes.ts";
export { ModelLoadError, REFUSAL_CODES } from "./errors.ts";
export type { CodeFacts, ModelLoadErrorCode, RefusalEvent, Severity } from "./errors.ts";
export { GgufView } from "./gguf-view.ts";
export type { Finding, MetadataType, MetadataValue, TensorInfo } from "./gguf-view.ts";
export type { GuardName } from "./guard.ts";
export { ModelLoader } from "./loader.ts";
export type { BytesReport, InspectReport } from "./loader.ts";
export type { Implementations } from "./implementations.ts";
export { Model } from "./model.ts";
export { VERSION } from "./native.ts";
export type { CallOptions, GgufLimits, JudgeOptions, LoaderOptions, ModelPath, Progress } from "./options.ts";
