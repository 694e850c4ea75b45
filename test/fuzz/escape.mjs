/**
 * Fuzzes how hostile text becomes a record: for so many seconds, random and shrinkable by fast-check.
 *
 *     node test/fuzz/escape.mjs [--seconds N]     needs dist/ (node scripts/build.mjs)
 *
 * Holds for any text in any field: one line of printable ASCII, at most 16 KiB, that parses; what was not cut reads back as the very
 * text, so that two texts never look alike; what was cut is its beginning. Exits with 1 and the smallest input found where not.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { SYSTEM_CLOCK, Timekeeper } from "../../dist/audit/clock.js";
import { escapeText, textJson, unescapeText } from "../../dist/audit/escape.js";
import { identityJson } from "../../dist/audit/identity.js";
import { chained } from "../../dist/audit/line.js";
import { draftOf, linePrefix, RECORD_BYTES_MAX } from "../../dist/audit/record.js";
import { Stamps } from "../../dist/audit/stamp.js";
import { native } from "../../dist/native.js";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } } });
const SECONDS = Number(values.seconds);
const PREV = "0".repeat(64);

/** Any UTF-16 at all; what escapes are made of; what terminals and viewers act on. */
const pieces = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
  fc.string({ unit: fc.constantFrom("\\", "u", "{", "}", "0", "D", "8", "F", '"', "\n", "\ud800", "\udc00", "\u001b", "\u009b", "\u202e", "\u2028", "\0") }),
  fc.constantFrom('","prev":"', '{"v":1,"origin":', '"type":"Audit', "\\u{202E}", "\\u{}", "__proto__", "../../etc/passwd"),
);
const text = fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join(""))
  .chain((short) => fc.oneof({ weight: 9, arbitrary: fc.constant(short) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 400 }).map((n) => short.repeat(n)) }));
/** What a caller can pass where text belongs. */
const anything = fc.oneof(text, text, text, fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true, withDate: true, withSet: true }));

const frame = { prefix: linePrefix("fuzz/model-loader"), stamps: new Stamps(new Timekeeper(SYSTEM_CLOCK), identityJson()), unreadable: fail };
const chain = { prefix: frame.prefix, link: (lines, previous) => native.linkLines(lines, previous) };

function fail(_, failure) {
  throw new Error("an event could not be read", { cause: failure });
}

function holds(condition, message) {
  if (!condition) throw new Error(message);
}

const PROPERTIES = [
  fc.property(text, (any) => {
    holds(/^[ -~]*$/.test(escapeText(any)), "the escaped text is not printable ASCII");
    holds(unescapeText(escapeText(any)) === any, "the escaped text does not read back");
  }),
  fc.property(text, text, (a, b) => {
    holds(a === b || escapeText(a) !== escapeText(b), "two texts look alike");
  }),
  fc.property(text, fc.integer({ min: 0, max: 300 }), (any, max) => {
    const value = JSON.parse(textJson(any, max));
    const shown = typeof value === "string" ? value : value.text;
    holds(JSON.stringify(shown).length <= max + 2, "the text takes more room than it was given");
    holds(typeof value === "string" ? unescapeText(value) === any : any.startsWith(unescapeText(value.text)), "the text is not what was passed");
    holds(typeof value === "string" || value.len === any.length, "the length is wrong");
  }),
  fc.property(fc.record({
    type: fc.oneof(fc.constantFrom("ModelLoaded", "PathTraversalAttempt", "AuditOpened"), anything), severity: anything, outcome: anything, action: anything,
    reason: anything, actor: anything, correlationId: anything, traceId: anything,
    target: fc.oneof(anything, fc.record({ path: fc.oneof(anything, fc.uint8Array()), sizeBytes: anything, dev: anything, sha256: anything, architecture: anything })),
    details: fc.oneof(anything, fc.dictionary(text, anything)),
  }, { requiredKeys: [] }), (event) => {
    const { bytes } = chained([{ draft: draftOf(event, frame) }], Number.MAX_SAFE_INTEGER, PREV, chain);
    const line = bytes.toString("latin1").trimEnd();
    holds(/^[ -~]*$/.test(line), "the line is not printable ASCII");
    holds(line.length <= RECORD_BYTES_MAX, `the line has ${line.length} bytes`);
    const record = JSON.parse(line);
    holds(record.v === 1 && record.seq === Number.MAX_SAFE_INTEGER && record.prev === PREV, "the frame is forged");
    holds(line.endsWith(`,"prev":"${PREV}"}`) && line.indexOf('{"v":1,"origin":') === line.lastIndexOf('{"v":1,"origin":'), "the line holds a second frame");
    holds(typeof event.actor !== "string" || typeof record.actor !== "string" || unescapeText(record.actor) === event.actor, "the actor is not who was named");
  }),
];

let runs = 0;
const end = performance.now() + SECONDS * 1000;
try {
  while (performance.now() < end) {
    for (const property of PROPERTIES) {
      fc.assert(property, { numRuns: 500, interruptAfterTimeLimit: Math.max(1, end - performance.now()), markInterruptAsFailure: false });
      runs += 500;
    }
  }
  console.log(`escape: about ${runs} inputs in ${SECONDS} s, nothing found`);
} catch (failure) {
  console.error(failure instanceof Error ? failure.stack : failure);
  process.exitCode = 1;
}
