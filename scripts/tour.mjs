/** The main job in a minute: a good model, a flipped byte, a cut file, an escape, the audit trail, the metrics. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { AuditLog, ModelLoader, ModelLoadError, verifyTrail } from "../dist/index.js";
import { tinyModel } from "../test/fixtures/models.mjs";

const ACTOR = "tour";
/** Metrics that an operator watches first. */
const SHOWN = [
  "model_loader_decisions_total", "model_loader_bytes_hashed_total",
  "model_loader_audit_emits_total", "model_loader_audit_emit_failures_total", "model_loader_audit_critical_emit_failures_total",
  "model_loader_audit_log_size",
];

const home = await mkdtemp(join(tmpdir(), "model-loader-tour-"));
try {
  await tour(join(home, "models"), join(home, "audit"));
} finally {
  await rm(home, { recursive: true, force: true });
}

async function tour(root, trail) {
  await mkdir(root);
  const model = tinyModel().bytes();
  await write(root, model);
  const registry = new Registry();
  const audit = await AuditLog.open(trail, { registry });
  const loader = await ModelLoader.open({ root, audit, registry });
  const sha256 = await goodModel(loader);
  await refused(loader, "the same model with one bit of a weight flipped", "flipped.gguf", "DIGEST_MISMATCH", { sha256 });
  await refused(loader, "the same model, its last 1,000 bytes missing", "cut.gguf", "GGUF_TRUNCATED");
  await refused(loader, "a path that leaves the root", "../../etc/passwd", "PATH_TRAVERSAL");
  await loader[Symbol.asyncDispose]();
  await audit[Symbol.asyncDispose]();
  await showTrail(trail);
  await showMetrics(registry);
}

async function write(root, model) {
  const flipped = Buffer.from(model);
  flipped[flipped.length - 100] ^= 1;
  await writeFile(join(root, "good.gguf"), model);
  await writeFile(join(root, "flipped.gguf"), flipped);
  await writeFile(join(root, "cut.gguf"), model.subarray(0, -1000));
}

async function goodModel(loader) {
  title("a small complete model", "good.gguf");
  const model = await loader.load("good.gguf", { actor: ACTOR });
  const { gguf } = model;
  console.log(`  verified: ${gguf.architecture}, ${gguf.tensorCount} tensors, ${model.sizeBytes} bytes, context ${gguf.metadata("llama.context_length")}`);
  console.log(`  sha256    ${model.sha256}`);
  console.log(`  hand the engine ${model.path}: it opens the very file that was judged`);
  await model[Symbol.asyncDispose]();
  return model.sha256;
}

/** The tour is a test too: any other outcome than the promised one ends it. */
async function refused(loader, what, path, code, options = {}) {
  title(what, path);
  const outcome = await loader.load(path, { actor: ACTOR, ...options }).catch((failure) => failure);
  if (!(outcome instanceof ModelLoadError) || outcome.code !== code) throw new Error(`${path}: expected ${code}`, { cause: outcome });
  console.log(`  refused:  ${outcome.code} (${outcome.severity})${outcome.offset === undefined ? "" : ` at byte ${outcome.offset}`}`);
  console.log(`  ${outcome.message}`);
  if (outcome.expected !== undefined) console.log(`  expected  ${outcome.expected}\n  actual    ${outcome.actual}`);
}

async function showTrail(trail) {
  title("the audit trail, every record hashed again", "audit");
  const { ok, records, segments, head, damage, notProven } = await verifyTrail(trail);
  if (!ok) throw new Error(`the tour's own trail is damaged: ${damage.message}`);
  const types = await typesIn(trail);
  console.log(`  intact:   ${records} records in ${segments} segment`);
  for (const [type, count] of types) console.log(`  ${String(count).padStart(8)}  ${type}`);
  console.log(`  head      ${head}`);
  for (const sentence of notProven) console.log(`  not proven: ${sentence}`);
}

/** How many records of each type there are, in order of their first. */
async function typesIn(trail) {
  const counts = new Map();
  for (const name of (await readdir(join(trail, "log"))).sort()) {
    const lines = (await readFile(join(trail, "log", name), "utf8")).trimEnd().split("\n");
    for (const { type } of lines.map((line) => JSON.parse(line))) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

async function showMetrics(registry) {
  title("the metrics that matter", "prom-client");
  for (const name of SHOWN) {
    const { values } = await registry.getSingleMetric(name).get();
    const told = values.filter(({ value }, index) => value !== 0 || (index === 0 && values.every((one) => one.value === 0)));
    for (const { labels, value } of told) console.log(`  ${name}${labelText(labels)} ${value}`);
  }
}

function labelText(labels) {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function title(what, name) {
  console.log(`\n${what} (${name})`);
}
