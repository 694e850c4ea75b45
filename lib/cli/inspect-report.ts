/** How a header is told: an object for programs, tables for people. */
import type { GgufView, MetadataType, MetadataValue, TensorInfo } from "../gguf-view.ts";
import type { InspectReport } from "../reports.ts";
import type { BytePath } from "./byte-path.ts";
import { table } from "./table.ts";
import { visible } from "./terminal.ts";
import { sizeText } from "./units.ts";
import { findingsText, ggufObject, ggufText, nameText, pathObject } from "./verdict-report.ts";

/** Longer arrays are named by type and length and not decoded: a vocabulary is no summary. */
const ARRAY_SHOWN_MAX = 8;
/** What people see of a text; programs get all of it. */
const TEXT_SHOWN_MAX = 100;
const NAME_SHOWN_MAX = 100;

/** One line of `--json`. */
export function inspectObject(shown: BytePath, { verified, sizeBytes, gguf }: InspectReport, tensors: boolean): object {
  const { headerBytes, dataOffset, split, findings, findingCount } = gguf;
  return {
    ...pathObject(shown), ok: true, verified, sizeBytes,
    gguf: { ...ggufObject(gguf), headerBytes, dataOffset, split },
    metadata: pairs(gguf).map(({ key, type, length, value }) => ({ key, type, length, value: plainArray(value) })),
    ...(tensors ? { tensors: [...gguf.tensors] } : {}),
    findings, findingCount,
  };
}

export function inspectText(shown: BytePath, { sizeBytes, gguf }: InspectReport, tensors: boolean): string {
  return [
    `${nameText(shown)}: UNVERIFIED (the header only: no digest was computed, no tensor was read)`,
    ggufText(gguf),
    `file ${sizeText(sizeBytes)}, header ${sizeText(gguf.headerBytes)}, tensor data from byte ${gguf.dataOffset}`,
    ...findingsText(gguf.findings, gguf.findingCount),
    "",
    ...table(["key", "type", "value"], pairs(gguf).map(pairRow)),
    ...(tensors ? ["", ...table(["tensor", "type", "shape", "offset", "bytes"], [...gguf.tensors].map(tensorRow))] : []),
  ].join("\n");
}

interface Pair extends Omit<MetadataType, "offset"> {
  readonly key: string;
  /** Absent where it was not decoded. */
  readonly value: MetadataValue | undefined;
}

function pairs(gguf: GgufView): Pair[] {
  return gguf.metadataKeys().map((key) => {
    const { type, length } = gguf.metadataType(key) ?? { type: "unknown", length: 0 };
    const decoded = !isArray(type) || length <= ARRAY_SHOWN_MAX;
    return { key, type, length, value: decoded ? gguf.metadata(key) : undefined };
  });
}

function isArray(type: string): boolean {
  return type.startsWith("arr");
}

function pairRow({ key, type, length, value }: Pair): string[] {
  const label = isArray(type) ? `${type.replace(/^arr\[(.*)\]$/u, "$1")}[${length}]` : type;
  return [visible(key, NAME_SHOWN_MAX), label, valueText(value)];
}

function valueText(value: MetadataValue | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "object") return `[${[...value].map(scalarText).join(", ")}]`;
  return scalarText(value);
}

function scalarText(value: number | bigint | boolean | string): string {
  return typeof value === "string" ? JSON.stringify(visible(value, TEXT_SHOWN_MAX)).replaceAll("\\\\u{", "\\u{") : String(value);
}

function tensorRow({ name, type, shape, offset, bytes }: TensorInfo): string[] {
  return [visible(name, NAME_SHOWN_MAX), type, shape.join(" x "), String(offset), String(bytes)];
}

/** JSON writes typed arrays as objects; what is meant is a list. */
function plainArray(value: MetadataValue | undefined): unknown {
  return typeof value === "object" ? [...value] : value;
}
