/**
 * fs-verity for real. Boots Debian's kernel, which has it, in an emulated machine, and runs there what needs it: the tests in Rust that
 * `cargo test` ignores, the tests of the other guards on that older kernel, and the command line. Ends with N passed, N failed.
 *
 *     node scripts/verity-check.mjs
 *
 * Two minutes or three, several times that on a busy machine. Needs x86-64, a build, apt-get for Debian's signed packages (60 MB, unpacked into the user's cache, nothing is
 * installed) and mke2fs.
 */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tinyModel } from "../test/fixtures/models.mjs";
import { ROOT, run } from "./command.mjs";
import { boot, makeDisk, prepare } from "./verity/machine.mjs";
import { sum, cargoTally, tallyLine } from "./tally.mjs";

const TARGET = "x86_64-unknown-linux-gnu";
const BOOT_SECONDS_MAX = 1800;
const CONSOLE = join(ROOT, "target", "verity-console.txt");
const MODEL = tinyModel().bytes();
const SHA256 = createHash("sha256").update(MODEL).digest("hex");

async function check() {
  const work = await mkdtemp(join(tmpdir(), "verity-check-"));
  try {
    const machine = await prepare();
    const programs = await staticTests(["verity", "guards"]);
    const disks = [await systemDisk(work, machine, programs), await modelsDisk(work, ["verity"]), await modelsDisk(work, [])];
    console.log(`verity-check: booting; the console is kept in ${CONSOLE}`);
    const output = await boot(machine, disks, BOOT_SECONDS_MAX);
    await writeFile(CONSOLE, output);
    return report(sectionsOf(output));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Test programs that need no library of the machine that they run on. */
async function staticTests(names) {
  const args = ["test", "--locked", "-p", "verify", "--no-run", "--target", TARGET, "--message-format", "json-render-diagnostics"];
  const { code, output } = await run("cargo", [...args, ...names.flatMap((name) => ["--test", name])], {
    quiet: true, env: { RUSTFLAGS: "-C target-feature=+crt-static", CARGO_TARGET_DIR: join(ROOT, "target", "static") },
  });
  if (code !== 0) throw new Error(`the tests could not be built:\n${output}`);
  const messages = output.split("\n").filter((row) => row.startsWith("{")).map((row) => JSON.parse(row));
  return names.map((name) => [name, messages.find(({ target, executable }) => target?.name === name && executable).executable]);
}

/** Everything that runs there: a shell, Node with its libraries, the command line, the tests, a model. */
async function systemDisk(work, { busybox }, programs) {
  const root = join(work, "system");
  for (const folder of ["bin", "dev", "proc", "sys", "tmp", "models", "plain"]) await mkdir(join(root, folder), { recursive: true });
  await cp(busybox, join(root, "bin/busybox"));
  await cp(join(ROOT, "scripts/verity/init.sh"), join(root, "init"));
  for (const [name, path] of programs) await cp(path, join(root, name));
  await cp(process.execPath, join(root, "node"));
  for (const library of await librariesOf(process.execPath)) await cp(library, join(root, library), { dereference: true });
  for (const part of ["dist", "package.json", "node_modules/prom-client", "node_modules/tdigest", "node_modules/bintrees", "node_modules/@opentelemetry/api"]) {
    await cp(join(ROOT, part), join(root, "app", part), { recursive: true });
  }
  await writeFile(join(root, "m.gguf"), MODEL);
  await writeFile(join(root, "m.sha256"), SHA256);
  return makeDisk(join(work, "system.img"), { mebibytes: 512, features: [], folder: root });
}

async function modelsDisk(work, features) {
  return makeDisk(join(work, `models-${features.join("") || "plain"}.img`), { mebibytes: 256, features });
}

async function librariesOf(program) {
  const { output } = await run("ldd", [program], { quiet: true });
  return [...output.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path);
}

/** What stands between `@begin NAME` and `@end NAME CODE` on the machine's console. */
function sectionsOf(output) {
  const text = output.replaceAll("\r", "");
  return new Map([...text.matchAll(/^@begin (\S+)\n(.*?)^@end \1 (\d+)$/gms)].map(([, name, body, code]) => [name, { code: Number(code), text: body }]));
}

function report(sections) {
  const failures = EXPECTED.filter(([name, holds]) => !met(sections.get(name), holds));
  for (const [name] of failures) console.error(`verity-check: ${name} is not as it should be:\n${sections.get(name)?.text ?? "(it never ran)"}`);
  const tests = ["verity", "guards"].map((name) => cargoTally(sections.get(name)?.text ?? ""));
  const steps = { passed: EXPECTED.length - failures.length, failed: failures.length, skipped: 0 };
  console.log(sections.get("kernel")?.text.trim() ?? "");
  const total = sum([...tests, steps]);
  console.log(tallyLine(total));
  return total.failed === 0 ? 0 : 1;
}

function met(section, holds) {
  try {
    return section !== undefined && holds(section);
  } catch {
    // No JSON where some was expected.
    return false;
  }
}

/** Whether a command ended with this code and an object that has these fields. */
const told = (code, fields) => (section) => {
  const object = JSON.parse(section.text.split("\n").find((row) => row.startsWith("{")));
  return section.code === code && Object.entries(fields).every(([name, value]) => (value instanceof RegExp ? value.test(object[name]) : object[name] === value));
};
const ended = (code) => (section) => section.code === code;

const VERITY = verityDigest(MODEL);
const EXPECTED = [
  ["verity", ended(0)],
  ["guards", ended(0)],
  ["unprotected", told(1, { code: "GUARD_UNAVAILABLE", message: /model-loader protect turns it on/ })],
  ["unpromised", told(1, { code: "DIGEST_REQUIRED" })],
  ["protect", told(0, { ok: true, sha256: SHA256, verityDigest: VERITY, alreadyProtected: false, digestCompared: true })],
  ["again", told(0, { ok: true, verityDigest: VERITY, alreadyProtected: true, digestCompared: true })],
  ["verify", told(0, { ok: true, guard: "fs-verity", verityDigest: VERITY })],
  ["append", ended(1)],
  ["read-only", told(1, { code: "GUARD_UNAVAILABLE", message: /mounted read-only/ })],
  ["featureless", told(1, { code: "GUARD_UNAVAILABLE", message: /tune2fs -O verity/ })],
  ["trail", ended(0)],
];

/** The digest as the kernel's documentation has it, written a third time: this one in JavaScript. */
function verityDigest(bytes) {
  const sha256 = (block) => createHash("sha256").update(Buffer.concat([block, Buffer.alloc(4096)]).subarray(0, 4096)).digest();
  let level = bytes;
  let hashes;
  do {
    hashes = Array.from({ length: Math.ceil(level.length / 4096) }, (_, at) => sha256(level.subarray(at * 4096, (at + 1) * 4096)));
    level = Buffer.concat(hashes);
  } while (hashes.length > 1);
  const descriptor = Buffer.alloc(256);
  descriptor.set([1, 1, 12]);
  descriptor.writeBigUInt64LE(BigInt(bytes.length), 8);
  descriptor.set(level, 16);
  return `sha256:${createHash("sha256").update(descriptor).digest("hex")}`;
}

process.exitCode = await check();
