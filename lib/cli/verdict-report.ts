/** How a verdict is told: an object for programs, text for people. */
import type { ModelLoadError } from "../errors.ts";
import type { Finding, GgufView } from "../gguf-view.ts";
import type { Model } from "../model.ts";
import type { Proof } from "../proof.ts";
import { isText, toBytes, toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT, exitOf } from "./exit.ts";
import type { Protected, Refused, Verdict } from "./gate.ts";
import { filesOf } from "./sets.ts";
import { visible } from "./terminal.ts";
import { count, sizeText } from "./units.ts";

/** Findings shown to people; programs get all that the loader reports. */
const FINDINGS_SHOWN_MAX = 10;

export function exitOfVerdict(verdict: Verdict): number {
  if (verdict.auditError !== undefined) return EXIT.AUDIT;
  return verdict.ok ? EXIT.VERIFIED : exitOf(verdict.error.code);
}

/** One line of `--json`. */
export function verdictObject(verdict: Verdict): object {
  const auditError = verdict.auditError === undefined ? {} : { auditError: verdict.auditError.message };
  const { shown } = verdict.job;
  if (!verdict.ok) return { ...refusalObject(shown, verdict.error), ...auditError };
  if ("protection" in verdict) return { ...protectedObject(verdict), ...auditError };
  const { sha256, blake3, proof, sizeBytes, digestExpected, gguf, guard, guardShortfall, verityDigest, digestFrom } = verdict.model;
  return {
    ...pathObject(shown), ok: true, sha256, blake3, proof: proof.by, recordedAt: proof.recordedAt, recordIgnored: proof.recordIgnored, sizeBytes, digestExpected, digestFrom, guard, guardShortfall, verityDigest,
    ...partsObject(shown, verdict.model), gguf: ggufObject(gguf), findings: gguf.findings, findingCount: gguf.findingCount, ...auditError,
  };
}

/** The parts of a split model; the object's own digest is then that of the set. */
function partsObject(shown: BytePath, { parts }: Model): { parts?: object[] } {
  if (parts.length === 1) return {};
  const files = filesOf(shown);
  return { parts: parts.map(({ sha256, blake3, sizeBytes, guard }, index) => ({ ...pathObject(files[index] ?? shown), sha256, blake3, sizeBytes, guard })) };
}

function protectedObject({ job, protection }: Protected): object {
  const { sha256, blake3, proof, sizeBytes, digestExpected, verityDigest, alreadyProtected, digestCompared, gguf } = protection;
  return {
    ...pathObject(job.shown), ok: true, sha256, blake3, proof: proof.by, sizeBytes, digestExpected, verityDigest, alreadyProtected, digestCompared,
    gguf: ggufObject(gguf), findings: gguf.findings, findingCount: gguf.findingCount,
  };
}

export function refusalObject(shown: BytePath, error: ModelLoadError): object {
  const { code, message, part, offset, field, expected, actual, sha256, severity, retriable } = error;
  return { ...pathObject(shown), ok: false, code, message, part, offset, field, expected, actual, sha256, severity, retriable };
}

/** A name that is no UTF-8 has its bytes beside the text that stands for it. */
export function pathObject(shown: BytePath): object {
  const path = toText(shown);
  return isText(shown) ? { path } : { path, pathBase64: toBytes(shown).toString("base64") };
}

export function ggufObject(gguf: GgufView): object {
  const { version, tensorCount, metadataCount, alignment, architecture = null } = gguf;
  return { version, tensorCount, metadataCount, alignment, architecture };
}

export function verdictText(verdict: Verdict): string {
  if (!verdict.ok) return [refusalText(verdict.job.shown, verdict.error), ...hint(verdict), ...auditText(verdict.auditError)].join("\n");
  const { sha256, proof, sizeBytes, digestExpected, gguf } = "protection" in verdict ? verdict.protection : verdict.model;
  return [
    `ok       ${nameText(verdict.job.shown)}`,
    ...("protection" in verdict ? protectionText(verdict) : []),
    `  sha256 ${sha256} ${promiseText(digestExpected, "protection" in verdict ? undefined : verdict.model.digestFrom)}`,
    ...("protection" in verdict ? [] : partsText(verdict.job.shown, verdict.model)),
    ...proofText(proof),
    `  ${sizeText(sizeBytes)}, ${ggufText(gguf)}`,
    ...findingsText(gguf.findings, gguf.findingCount),
    ...auditText(verdict.auditError),
  ].join("\n");
}

function promiseText(digestExpected: boolean, from: Model["digestFrom"]): string {
  if (!digestExpected) return "(computed; none was promised with --sha256)";
  return from === undefined || from === "caller" ? "(as promised)" : `(as promised by ${from})`;
}

/** A set has a digest of its own, and is told with the digests of its parts. */
function partsText(shown: BytePath, { parts }: Model): string[] {
  if (parts.length === 1) return [];
  const files = filesOf(shown);
  const rows = parts.map(({ sha256, sizeBytes }, index) => `    ${sha256}  ${nameText(files[index] ?? shown)}, ${sizeText(sizeBytes)}`);
  return [`  one model in ${count(parts.length, "part")}; the digest above is that of the set`, ...rows];
}

const PROVEN: Readonly<Record<Proof["by"], string>> = {
  sha256: "",
  tiles: "proven by its tiles, which had this SHA-256 when it was computed at",
  "fs-verity": "proven by the kernel (fs-verity), without reading it; its SHA-256 was computed at",
  identity: "believed to be what it was, without reading it (--identity); its SHA-256 was computed at",
};

function proofText({ by, recordedAt, recordIgnored }: Proof): string[] {
  const proven = recordedAt === undefined ? [] : [`  ${PROVEN[by]} ${recordedAt.toISOString()}`];
  const ignored = recordIgnored === undefined ? [] : [`  IGNORED the record of an earlier verification: ${recordIgnored}`];
  return [...proven, ...ignored];
}

function protectionText({ protection: { verityDigest, alreadyProtected, digestCompared } }: Protected): string[] {
  const compared = digestCompared ? "equal to that of the verified bytes" : "made with other parameters than ours, so not compared";
  return [
    `  ${alreadyProtected ? "was protected before" : "protected: from now on it can be replaced, and not changed"}`,
    `  fs-verity ${verityDigest} (${compared})`,
  ];
}

export function refusalText(shown: BytePath, error: ModelLoadError): string {
  const rows = { expected: error.expected, actual: error.actual, sha256: error.sha256 };
  const told = Object.entries(rows).filter(([, value]) => value !== undefined && !error.message.includes(value));
  return [
    `REFUSED  ${nameText(shown)}`,
    `  ${error.code}: ${visible(error.message)}${placeText(error.offset, error.field, error.message)}`,
    ...told.map(([name, value]) => `  ${name} ${visible(value ?? "")}`),
  ].join("\n");
}

export function ggufText(gguf: GgufView): string {
  const architecture = gguf.architecture === undefined ? "no architecture" : visible(gguf.architecture, 64);
  const pairs = count(gguf.metadataCount, "metadata pair");
  return `GGUF v${gguf.version}, ${architecture}, ${count(gguf.tensorCount, "tensor")}, ${pairs}, alignment ${gguf.alignment}`;
}

export function findingsText(findings: readonly Finding[], total: number): string[] {
  const shown = findings.slice(0, FINDINGS_SHOWN_MAX).map((finding) =>
    `  finding (rule ${finding.rule}): ${visible(finding.message)}${placeText(finding.offset, finding.field, finding.message)}`);
  return total > shown.length ? [...shown, `  and ${count(total - shown.length, "more finding")}; --strict refuses such files`] : shown;
}

/** An empty name is shown as one. */
export function nameText(shown: BytePath): string {
  return shown === "" ? '""' : visible(toText(shown));
}

/** Caches of models are full of links; who meets the root without having named one must learn of it. */
function hint({ job, error }: Refused): string[] {
  if (error.code !== "PATH_TRAVERSAL" || !job.ownRoot) return [];
  return ["  Without --root the file's own folder is the root. If this link is meant, name a folder that holds both ends with --root."];
}

function auditText(auditError: Error | undefined): string[] {
  return auditError === undefined ? [] : [`  NOT RECORDED in the audit trail: ${visible(auditError.message)}`];
}

/** Where it is, unless the message says so already. */
function placeText(offset: number | undefined, field: string | undefined, message: string): string {
  const at = offset === undefined || message.includes(String(offset)) ? "" : ` (at byte ${offset})`;
  return field === undefined || message.includes(field) ? at : ` [${visible(field)}]${at}`;
}
