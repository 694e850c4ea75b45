/**
 * The stage of the attacks on a hand-over: a folder with the model, a second name of its inode, and its poisoned twin, which
 * is as well-formed and says something else. What an engine says tells which bytes it saw.
 */
import { closeSync, constants, copyFileSync, fstatSync, linkSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ModelLoader } from "../../../dist/index.js";

/** Where the model keeps its name; 40 KB hold it. */
const HEADER_START_BYTES = 40_960;
const EVIL_NAME = "EVIL";

/**
 * @typedef {object} Stage what host and attacker are told
 * @property {string} root the folder that the loader may open
 * @property {string} path of the model, in the root: the only name that the host knows
 * @property {string} kept a second name of the model's inode, in the root too
 * @property {string} poison the twin, outside the root
 * @property {string} pristine the cached file, never written to
 * @property {number} sizeBytes
 * @property {string} sha256
 * @property {{ offset: number, bytes: number }[]} regions where the twin differs, spread over the whole file
 */

/** @returns {Promise<Stage & Disposable>} */
export async function setStage(pristine, sha256) {
  // Beside the cached file: there is room for it.
  const home = mkdtempSync(join(dirname(pristine), "attacked-"));
  const root = join(home, "root");
  mkdirSync(root);
  const stage = { root, path: join(root, basename(pristine)), kept: join(root, "kept"), poison: join(home, "twin"), pristine, sha256 };
  for (const copy of [stage.path, stage.poison]) copyFileSync(pristine, copy, constants.COPYFILE_FICLONE);
  linkSync(stage.path, stage.kept);
  const poison = poisoned(stage.poison, await tensorsOf(pristine));
  return { ...stage, ...poison, [Symbol.dispose]: () => { rmSync(home, { recursive: true }); } };
}

async function tensorsOf(path) {
  const loader = await ModelLoader.open({ root: dirname(path), audit: "disabled" });
  const { gguf } = await loader.inspect(basename(path));
  const tensors = [...gguf.tensors];
  await loader[Symbol.asyncDispose]();
  return tensors;
}

/** Spoils the model's name and all its small tensors: an engine maps those, and reads them for every token. */
function poisoned(path, tensors) {
  const fd = openSync(path, "r+");
  const regions = [spoiltName(fd), ...tensors.filter(({ type }) => type === "f32").map((tensor) => spoiltTensor(fd, tensor))];
  const sizeBytes = fstatSync(fd).size;
  closeSync(fd);
  return { regions, sizeBytes };
}

function spoiltName(fd) {
  const key = Buffer.from("general.name");
  const start = Buffer.alloc(HEADER_START_BYTES);
  readSync(fd, start, 0, start.length, 0);
  // Behind the key: a type in 4 bytes, a length in 8, the text.
  const offset = start.indexOf(key) + key.length + 12;
  if (offset < key.length + 12) throw new Error("the model has no name to spoil");
  writeSync(fd, EVIL_NAME, offset);
  return { offset, bytes: EVIL_NAME.length };
}

function spoiltTensor(fd, { offset, bytes }) {
  const good = Buffer.alloc(bytes);
  readSync(fd, good, 0, bytes, offset);
  const evil = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 4) evil.writeFloatLE(good.readFloatLE(bytes - 4 - at) * -3, at);
  writeSync(fd, evil, 0, bytes, offset);
  return { offset, bytes };
}
