/** loader.load with a promised digest: contained, read once, hashed, parsed, judged, handed over. */
import { basename, dirname } from "node:path";
import { ModelLoader } from "../../../dist/index.js";

export default async function setUp({ path, sha256 }) {
  const loader = await ModelLoader.open({ root: dirname(path), audit: "disabled" });
  return {
    round: () => loader.load(basename(path), { sha256 }),
    answer: async (model) => {
      await model[Symbol.asyncDispose]();
      return model.sha256;
    },
  };
}
