/** Records in the forms of other systems: what each standard requires is there, and hostile text stays text. */
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { toCef, toCloudEvent, toEcs, toOcsf } from "../../lib/index.ts";
import { CLOUD_EVENT_BYTES_MAX } from "../../lib/audit/export/cloudevents.ts";
import { textOf } from "../../lib/audit/recorded.ts";
import { everyEvent, hostileEvents, recordOf } from "./samples.ts";

const RECORDS = [...everyEvent(), ...hostileEvents()].map((event, seq) => recordOf(event, seq));
const DENIAL = recordOf({
  type: "PathTraversalAttempt", outcome: "denied", action: "model.load", reason: "PATH_TRAVERSAL", actor: "alice", correlationId: "r-1", traceId: "t-1",
  target: { path: "../a|b=c\\d", sizeBytes: 5, dev: 1, ino: 2n ** 63n + 1n, sha256: "ab".repeat(32), expectedSha256: "cd".repeat(32) },
  details: { message: "leads\nout", durationMs: 1.5 }, policy: { id: "model-gate", version: "1", digest: "ef" },
}, 9);

/** What the texts of the standards require, written as schemas. */
function schema(properties: object, required: readonly string[]): ValidateFunction {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  addFormats.default(ajv);
  return ajv.compile({ type: "object", properties, required, additionalProperties: true });
}

function expectValid(validate: ValidateFunction, value: object): void {
  expect({ valid: validate(JSON.parse(JSON.stringify(value))), errors: validate.errors }).toEqual({ valid: true, errors: null });
}

const text = { type: "string", minLength: 1 };
const whole = { type: "integer" };
const open = (properties: object, required: readonly string[]): object => ({ type: "object", properties, required });

describe("CloudEvents 1.0", () => {
  const validate = schema({
    specversion: { const: "1.0" }, id: text, source: { type: "string", minLength: 1, format: "uri-reference" }, type: text,
    time: { type: "string", format: "date-time" }, subject: text, datacontenttype: { const: "application/json" }, sequence: text, severity: text,
  }, ["specversion", "id", "source", "type"]);

  test("every record has what is required, attributes with lower-case names, and fits into 64 KiB", () => {
    for (const record of RECORDS) {
      const event = toCloudEvent(record);
      expectValid(validate, event);
      for (const name of Object.keys(event)) expect(name).toMatch(/^[a-z0-9]{1,20}$/u);
      expect(JSON.stringify(event).length).toBeLessThan(CLOUD_EVENT_BYTES_MAX);
    }
  });

  test("the data is the record itself, and the sequence sorts as text", () => {
    expect(toCloudEvent(DENIAL)).toMatchObject({
      id: DENIAL.id, source: "host/model-loader/test", type: "model-loader.audit.PathTraversalAttempt", subject: "../a|b=c\\u{005C}d",
      sequence: "00000000000000000009", severity: "critical", data: DENIAL,
    });
    expect(toCloudEvent(DENIAL).data.target).toMatchObject({ ino: "9223372036854775809" });
  });

  test("an origin that is no URI is encoded, and stays apart from others", () => {
    const sources = ["a b", "a%20b", "a:b", "<a>", "a/b"].map((origin) => toCloudEvent({ ...DENIAL, origin }).source);
    expect(sources).toEqual(["a%20b", "a%2520b", "a%3Ab", "%3Ca%3E", "a/b"]);
  });
});

describe("OCSF 1.5", () => {
  const metadata = open({
    version: { const: "1.5.0" }, product: open({ name: text, vendor_name: text }, ["name"]), uid: text, sequence: whole,
  }, ["version", "product"]);
  const file = open({ name: text, type_id: { enum: [0, 1] }, path: { type: "string" }, hashes: { type: "array", items: open({ algorithm_id: { const: 3 }, value: { type: "string" } }, ["algorithm_id", "value"]) } }, ["name", "type_id"]);
  const actor = { ...open({ process: open({ pid: whole }, ["pid"]) }, ["process"]) };
  const device = open({ type_id: whole, hostname: { type: "string" } }, ["type_id"]);
  const base = {
    activity_id: whole, category_uid: whole, class_uid: whole, type_uid: whole, severity_id: { enum: [1, 4, 5] }, time: { type: "integer", minimum: 1e12 },
    metadata, file, actor, device, message: { type: "string" }, status_id: { enum: [0, 1, 2] }, duration: whole,
  };
  const required = ["activity_id", "category_uid", "class_uid", "type_uid", "severity_id", "time", "metadata"];
  /** Each class with its category, its activities and what it requires besides. */
  const classes: Readonly<Record<number, { category: number; activities: readonly number[]; validate: ValidateFunction }>> = {
    2004: {
      category: 2, activities: [1],
      validate: schema({
        ...base, finding_info: open({ uid: text, title: text }, ["uid"]), action_id: { enum: [2, 3] }, disposition_id: { enum: [2, 15] }, is_alert: { const: true },
        evidences: { type: "array", minItems: 1, items: open({ actor, file }, ["actor"]) },
      }, [...required, "finding_info"]),
    },
    1001: { category: 1, activities: [2, 99], validate: schema(base, [...required, "actor", "device", "file"]) },
    1004: { category: 1, activities: [1, 3, 7, 99], validate: schema({ ...base, process: open({ pid: whole }, ["pid"]) }, [...required, "actor", "device", "process"]) },
    1008: { category: 1, activities: [2, 5, 6, 7, 99], validate: schema({ ...base, log_name: text, log_type_id: { const: 2 } }, [...required, "actor", "device", "log_name"]) },
  };
  interface Ocsf {
    readonly class_uid: number;
    readonly activity_id: number;
    readonly category_uid: number;
    readonly type_uid: number;
    readonly activity_name?: string;
  }

  test("every record has what its class requires, and each class occurs", () => {
    const seen = RECORDS.map((record) => {
      const event = toOcsf(record) as Ocsf;
      const { category, activities, validate } = classes[event.class_uid] ?? expect.fail(`class ${event.class_uid}`);
      expectValid(validate, event);
      expect(activities).toContain(event.activity_id);
      expect(event).toMatchObject({ category_uid: category, type_uid: event.class_uid * 100 + event.activity_id });
      // "Other" has to be named.
      if (event.activity_id === 99) expect(event.activity_name).toBe(textOf(record.action));
      return event.class_uid;
    });
    expect([...new Set(seen)].sort()).toEqual([1001, 1004, 1008, 2004]);
  });

  test("a denial is a finding that was blocked, with file, hashes and policy", () => {
    expect(toOcsf(DENIAL)).toMatchObject({
      class_uid: 2004, type_uid: 200_401, severity_id: 5, time: Date.parse(DENIAL.time), action_id: 2, disposition_id: 2, is_alert: true, status_code: "PATH_TRAVERSAL",
      finding_info: { uid: DENIAL.id, title: "A path led out of the models' folder", desc: "leads\\u{000A}out" },
      metadata: { sequence: 9, uid: DENIAL.id, correlation_uid: "r-1", profiles: ["security_control"] },
      policy: { uid: "ef", version: "1" },
      evidences: [{ actor: { invoked_by: "alice" }, file: { name: "a|b=c\\u{005C}d", path: "../a|b=c\\u{005C}d", uid: "9223372036854775809", hashes: [{ value: "ab".repeat(32) }] } }],
    });
  });

  test("the trail's own life is that of an event log, and a load reads a file", () => {
    const of = (type: string): object => toOcsf(recordOf({ type, outcome: "info", action: "audit.x", target: { path: "a" } }));
    expect(of("AuditOpened")).toMatchObject({ class_uid: 1008, activity_id: 6 });
    expect(of("AuditClosed")).toMatchObject({ class_uid: 1008, activity_id: 7 });
    expect(of("AuditRotated")).toMatchObject({ class_uid: 1008, activity_id: 5 });
    expect(of("ModelLoaded")).toMatchObject({ class_uid: 1001, activity_id: 2 });
    expect(of("ModelUnloaded")).toMatchObject({ class_uid: 1001, activity_id: 99, activity_name: "audit.x" });
    expect(toOcsf(recordOf({ type: "VramAllocated", outcome: "info", action: "vram.allocate" }))).toMatchObject({ class_uid: 1004, activity_id: 1 });
  });
});

describe("Elastic Common Schema", () => {
  const words = (allowed: readonly string[]): object => ({ type: "array", minItems: 1, items: { enum: allowed } });
  const validate = schema({
    "@timestamp": { type: "string", format: "date-time" },
    ecs: open({ version: { type: "string", pattern: "^8\\.\\d+\\.\\d+$" } }, ["version"]),
    event: open({
      kind: { enum: ["alert", "event"] }, category: words(["file", "intrusion_detection", "host"]),
      type: words(["access", "change", "denied", "end", "info", "start"]), outcome: { enum: ["success", "failure", "unknown"] },
      action: { type: "string" }, id: text, sequence: whole, duration: whole,
    }, ["kind", "category", "type", "outcome", "id", "sequence"]),
    file: open({ path: { type: "string" }, size: { type: "number" }, inode: { type: "string" }, hash: open({ sha256: { type: "string" } }, []) }, []),
    related: open({ hash: { type: "array", items: { type: "string" } } }, []),
  }, ["@timestamp", "ecs", "event"]);

  test("every record has the fields, with words that the standard allows", () => {
    for (const record of RECORDS) expectValid(validate, toEcs(record));
  });

  test("a denial is an alert", () => {
    expect(toEcs(DENIAL)).toMatchObject({
      "@timestamp": DENIAL.time,
      event: {
        kind: "alert", category: ["file", "intrusion_detection"], type: ["denied"], outcome: "failure", action: "model.load", code: "PathTraversalAttempt",
        reason: "PATH_TRAVERSAL", sequence: 9, duration: 1_500_000,
      },
      file: { path: "../a|b=c\\u{005C}d", inode: "9223372036854775809", hash: { sha256: "ab".repeat(32) } },
      user: { name: "alice" }, trace: { id: "t-1" }, related: { hash: ["ab".repeat(32), "cd".repeat(32)], user: ["alice"] },
    });
  });
});

describe("CEF", () => {
  /** A reader as the standard describes one: `|` ends a header field, a `key=` begins a value, a backslash takes the next character as it is. */
  function parse(line: string): { header: string[]; extension: Record<string, string> } {
    const parts = /^((?:[^|\\]|\\[\\|])*\|){7}/u.exec(line)?.[0] ?? expect.fail(`no header: ${line}`);
    const header = parts.slice(0, -1).split(/(?<!\\)(?:\\\\)*\|/u).map((part) => part.replace(/\\([\\|])/gu, "$1"));
    const pairs = [...line.slice(parts.length).matchAll(/(?:^| )([A-Za-z0-9]+)=((?:[^=\\]|\\[\\=rn])*?)(?= [A-Za-z0-9]+=|$)/gu)];
    expect(pairs.map(([pair]) => pair).join("")).toBe(line.slice(parts.length));
    const plain = (value: string): string => value.replace(/\\([\\=rn])/gu, (_, one: string) => ({ r: "\r", n: "\n" })[one] ?? one);
    return { header, extension: Object.fromEntries(pairs.map(([, key = "", value = ""]) => [key, plain(value)])) };
  }

  test("every record is one line that a reader takes apart again into what was recorded", () => {
    for (const record of RECORDS) {
      const line = toCef(record);
      expect(line).toMatch(/^CEF:0\|[ -~]*$/u);
      const { header, extension } = parse(line);
      expect(header).toHaveLength(7);
      expect(Number(header[6])).toBeLessThanOrEqual(10);
      expect(extension).toMatchObject({ externalId: record.id, cn1: String(record.seq), act: textOf(record.action), deviceExternalId: record.origin });
      expect(extension["suser"]).toBe(textOf(record.actor));
    }
  });

  test("a denial", () => {
    const { header, extension } = parse(toCef(DENIAL));
    expect(header).toEqual(["CEF:0", "model-loader", "model-loader", "0.1.0", "PathTraversalAttempt", "A path led out of the models' folder", "10"]);
    expect(extension).toMatchObject({
      rt: String(Date.parse(DENIAL.time)), outcome: "denied", reason: "PATH_TRAVERSAL", filePath: "../a|b=c\\u{005C}d", fileId: "9223372036854775809",
      cs2: "r-1", cs2Label: "correlationId", msg: "leads\\u{000A}out",
    });
  });

  test("even a record that was not escaped cannot begin a line or a field", () => {
    const raw = { ...DENIAL, reason: "a\nCEF:0|x\r|b=c \\" };
    expect(toCef(raw)).not.toMatch(/[\r\n]/u);
    expect(parse(toCef(raw)).extension["reason"]).toBe("a\nCEF:0|x\r|b=c \\");
  });
});
