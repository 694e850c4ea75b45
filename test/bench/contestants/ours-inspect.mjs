/** loader.inspect: every header rule judged, the big arrays left as byte ranges. */
import { dirname, basename } from "node:path";
import { ModelLoader } from "../../../dist/index.js";

export default async function setUp({ path, limits }) {
  const loader = await ModelLoader.open({ root: dirname(path), audit: "disabled", limits });
  return {
    round: () => loader.inspect(basename(path)),
    answer: ({ gguf }) => ({ pairs: gguf.metadataCount, tensors: gguf.tensorCount, strings: stringsOf(gguf) }),
  };
}

function stringsOf(gguf) {
  const types = gguf.metadataKeys().map((key) => gguf.metadataType(key));
  return types.reduce((sum, { type, length }) => sum + (type.includes("str") ? length : 0), 0);
}
