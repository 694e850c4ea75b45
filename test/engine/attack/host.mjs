/**
 * An inference host under attack: takes a model through the gate, hands it to node-llama-cpp and lets it speak, while
 * another process (attacker.mjs) strikes at the moment that the round names. A process of its own: a mapped file that is cut
 * short ends it.
 *
 * Arguments: the engine's entry module, a JSON Stage (stage.mjs). Over IPC: { say: PATH } is answered with what the engine
 * says of that file; a Round (campaign.d.mts) with what came of it.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ModelLoader } from "../../../dist/index.js";

const PROMPT = "The capital of France is";
const TOKENS = 8;
/** About how long the moments last that a blow can fall within, on an idle machine, in milliseconds. */
const SPAN_MS = { reading: 200, "engine opens": 300 };
const [entry, json] = process.argv.slice(2);
const stage = JSON.parse(json);
const { getLlama } = await import(pathToFileURL(entry).href);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "disabled" });
const loader = await ModelLoader.open({ root: stage.root, audit: "disabled" });
const attacker = fork(fileURLToPath(new URL("attacker.mjs", import.meta.url)), [json]);
await once(attacker, "message");

/** The moments of one round, in order; strikes at the one that is asked for. */
class Moments {
  #round;
  #answer;
  #timer;
  #now;
  #fell;

  constructor(round) {
    this.#round = round;
  }

  /** A moment at which the host can wait for the blow. */
  async stop(name) {
    this.#now = name;
    if (!this.#isAt(name)) return;
    this.#strike();
    await this.#answer;
  }

  /** A moment that goes on while the blow falls, so many milliseconds after its beginning. */
  begin(name) {
    this.#now = name;
    if (this.#isAt(name)) this.#timer = setTimeout(() => { this.#strike(); }, this.#round.at * SPAN_MS[name]);
  }

  /** A moment that is a way to go, from 0 to 1. */
  passed(name, part) {
    this.#now = name;
    if (this.#isAt(name) && this.#fell === undefined && part >= this.#round.at) this.#strike();
  }

  /** What became of the blow. */
  async end() {
    clearTimeout(this.#timer);
    const answer = await this.#answer;
    attacker.send({ order: "over" });
    await once(attacker, "message");
    return { fell: this.#fell ?? "never", heldOff: answer === "held off" };
  }

  #isAt(name) {
    return this.#round.attack !== undefined && this.#round.moment === name;
  }

  /** The attacker's first answer tells whether the kernel held it off. */
  #strike() {
    this.#fell = this.#now;
    this.#answer = once(attacker, "message").then(([message]) => message);
    attacker.send({ order: "strike", attack: this.#round.attack });
  }
}

/** What the engine makes of a file: the name that it reads first, and the words that its weights give. */
async function say(modelPath, useMmap, moments) {
  moments?.begin("engine opens");
  const model = await llama.loadModel({
    modelPath, gpuLayers: 0, useMmap, ignoreMemorySafetyChecks: true,
    onLoadProgress: (part) => moments?.passed("engine reads", part),
  });
  await moments?.stop("loaded");
  const context = await model.createContext({ contextSize: 64, batchSize: 32, threads: 1, ignoreMemorySafetyChecks: true });
  const words = await speech(model, context.getSequence(), moments);
  await model.dispose();
  return `${model.fileInfo.metadata.general.name}: ${words}`;
}

/** Always the likeliest word: the same weights say the same. */
async function speech(model, sequence, moments) {
  const tokens = [];
  for await (const token of sequence.evaluate(model.tokenize(PROMPT), { temperature: 0 })) {
    tokens.push(token);
    if (tokens.length === 1) await moments?.stop("speaking");
    if (tokens.length === TOKENS) break;
  }
  return model.detokenize(tokens);
}

async function play(round) {
  const moments = new Moments(round);
  await moments.stop("before");
  moments.begin("reading");
  const outcome = await loader.load(basename(stage.path), { sha256: stage.sha256, minGuard: round.guard }).then(
    (model) => used(model, round, moments),
    (error) => ({ refused: error.code ?? String(error) }),
  );
  return { ...outcome, ...(await moments.end()) };
}

async function used(model, round, moments) {
  const promised = model.guard;
  await moments.stop("verdict");
  // Without the gate: the path that was verified, opened again.
  const path = round.byName ? stage.path : model.path;
  const said = await say(path, round.useMmap, moments).catch((error) => `no word, but ${error.message}`);
  const intact = isIntact(model.path);
  const told = model.guardBroken;
  await model[Symbol.asyncDispose]();
  return { promised, said, intact, told };
}

/** Whether the file that the engine was given has, at the end, all the bytes that an attack could have changed. */
function isIntact(path) {
  const [found, good] = [openSync(path, "r"), openSync(stage.pristine, "r")];
  const same = fstatSync(found).size === stage.sizeBytes && stage.regions.every((region) => bytesAt(found, region).equals(bytesAt(good, region)));
  [found, good].forEach((fd) => { closeSync(fd); });
  return same;
}

function bytesAt(fd, { offset, bytes }) {
  const buffer = Buffer.alloc(bytes);
  readSync(fd, buffer, 0, bytes, offset);
  return buffer;
}

process.on("message", async (order) => {
  process.send(order.say === undefined ? await play(order) : { said: await say(order.say, true) });
});
process.on("disconnect", () => { process.exit(0); });
process.send("ready");
