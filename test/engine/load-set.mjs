/**
 * Loads a split model through the gate, spoils its files, and has node-llama-cpp load what the gate handed over.
 * Arguments: the engine's entry module, the root, the first part's name. Prints the parts' tensors and what the engine did.
 */
import { readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ModelLoader } from "../../dist/index.js";

const [entry, root, first] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(entry).href);

const loader = await ModelLoader.open({ root, audit: "disabled" });
const held = await loader.load(first);
for (const name of readdirSync(root)) {
  renameSync(join(root, name), join(root, `${name}.old`));
  writeFileSync(join(root, name), "GGUF, but evil");
}
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "disabled" });
const model = await llama.loadModel({ modelPath: held.path, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 64, batchSize: 32, threads: 1 });
await context.getSequence().evaluateWithoutGeneratingNewTokens(model.tokenize("text"));
console.log(JSON.stringify({ parts: held.parts.length, tensors: held.gguf.tensorCount, size: model.size, tokens: model.tokenize("text").length }));
await model.dispose();
await held[Symbol.asyncDispose]();
process.exit(0);
