/** node-llama-cpp's readGgufFileInfo, which is JavaScript: the engine is not loaded. It nests keys by their dots. */
import { importPeer } from "../peers.mjs";
import { stringsIn } from "../strings.mjs";

export default async function setUp({ peers, path }) {
  const { readGgufFileInfo } = await importPeer(peers, "node-llama-cpp");
  return {
    round: () => readGgufFileInfo(path, { logWarnings: false }),
    answer: ({ metadata, fullTensorInfo }) => ({
      pairs: leaves(metadata),
      tensors: fullTensorInfo.length,
      strings: stringsIn([metadata]),
    }),
  };
}

function leaves(value) {
  const nested = typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
  return nested ? Object.values(value).reduce((sum, inner) => sum + leaves(inner), 0) : 1;
}
