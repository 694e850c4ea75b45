/**
 * Loads models in node-llama-cpp, one after the other, as a host would: memory estimate, model, context, one evaluation.
 * Arguments: the engine's entry module, then model files. Writes a line before and after each; a file that kills the
 * process has only the first.
 */
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [entry, ...paths] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(entry).href);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "disabled" });

/** Synchronously: what is still in a buffer when the process aborts is lost. */
function say(line) {
  writeSync(1, `${line}\n`);
}

async function load(modelPath) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: 64, batchSize: 32, threads: 1 });
  await context.getSequence().evaluateWithoutGeneratingNewTokens(model.tokenize("text"));
  await model.dispose();
}

/** A vocabulary alone is no model, yet it loads as one. */
async function loadVocabulary(modelPath) {
  const model = await llama.loadModel({ modelPath, vocabOnly: true });
  model.detokenize(model.tokenize("text"));
  await model.dispose();
}

for (const path of paths) {
  say(`start ${path}`);
  const whole = await load(path).then(() => "loaded", () => "refused");
  const vocabulary = whole === "loaded" ? "" : await loadVocabulary(path).then(() => ", vocabulary loaded", () => "");
  say(`end ${path} ${whole}${vocabulary}`);
}
process.exit(0);
