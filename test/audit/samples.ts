/** Records of every type, and of hostile events of every kind, for what reads records. */
import { EVENTS } from "../../lib/audit/event-table.ts";
import type { DetailSpec } from "../../lib/audit/event-table.ts";
import { EVENT_TYPES } from "../../lib/audit/events.ts";
import type { TrailRecord } from "../../lib/audit/recorded.ts";
import { lineOf, PREV } from "./record-line.ts";

const SHA256 = "cd".repeat(32);

export function recordOf(event: unknown, seq = 7): TrailRecord {
  return JSON.parse(lineOf(event, { seq })) as TrailRecord;
}

const FULL = {
  reason: "CODE", actor: "alice", correlationId: "request-1", traceId: "trace-1",
  policy: { id: "model-gate", version: "0.1.0", digest: SHA256 },
  target: {
    path: "models/a.gguf", sizeBytes: 4096, dev: 2n ** 63n, ino: 2n ** 53n + 1n, sha256: SHA256, expectedSha256: PREV, expectedFrom: "caller",
    ggufVersion: 3, architecture: "llama",
  },
};

/** Each type as its own details have it: all of them, only the required ones, and with no target. */
export function everyEvent(): object[] {
  return EVENT_TYPES.flatMap((type) => {
    const outcome = type.endsWith("Attempt") ? "denied" : "allowed";
    const base = { type, outcome, action: "model.load" };
    return [
      { ...base, ...FULL, details: detailsOf(EVENTS[type].details, true) },
      { ...base, details: detailsOf(EVENTS[type].details, false) },
    ];
  });
}

function detailsOf(specs: Readonly<Record<string, DetailSpec>>, all: boolean): object {
  const wanted = Object.entries(specs).filter(([, spec]) => all || typeof spec !== "string" || !spec.endsWith("?"));
  return Object.fromEntries(wanted.map(([name, spec]) => [name, valueOf(spec)]));
}

function valueOf(spec: DetailSpec): unknown {
  if (typeof spec !== "string") return spec[0];
  return { text: "text", whole: 5, number: 1.5, flag: true }[spec.replace("?", "") as "text"];
}

const TEXTS = [
  "\n{\"seq\":0}\r\n", "a|b\\|c=d\\=e \\", "\u001b]0;x\u0007\u009b2J", "\u202egpj.exe \u200b\ufeff é 漢 😀", "\0", "\ud800", "\udc00".repeat(5_000), "x".repeat(100_000), "漢".repeat(100_000),
  "", " ", "' OR 1=1 --", "</script>", "=cmd()", "/", "a/", "\"".repeat(5_000),
];
const VALUES: readonly unknown[] = [5, 2 ** 53, 2n ** 64n, NaN, null, true, ["a"], { a: 1 }, Symbol("x"), new Uint8Array([0xff, 0, 0x0a]), Object.create(null)];

/** Hostile text and values of the wrong kind in every field. */
export function hostileEvents(): object[] {
  return [...TEXTS, ...VALUES].flatMap((value) => [
    { type: "PathTraversalAttempt", outcome: "denied", action: value, reason: value, actor: value, correlationId: value, traceId: value, policy: value, target: { path: value } },
    {
      type: "ModelLoaded", outcome: "allowed", action: "model.load", details: { message: value, durationMs: value, [typeof value === "string" ? value : "key"]: value },
      policy: { id: value, version: value, digest: value },
      target: { path: value, sizeBytes: value, dev: value, ino: value, sha256: value, expectedSha256: value, expectedFrom: value, ggufVersion: value, architecture: value },
    },
    { type: value, severity: value, outcome: value, action: "x", target: value, details: value },
  ]);
}
