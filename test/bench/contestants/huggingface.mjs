/** @huggingface/gguf on a local file. It adds version, tensor_count and kv_count to the metadata. */
import { importPeer } from "../peers.mjs";
import { stringsIn } from "../strings.mjs";

const ADDED = 3;

export default async function setUp({ peers, path }) {
  const { gguf } = await importPeer(peers, "@huggingface/gguf");
  return {
    round: () => gguf(path, { allowLocalFile: true }),
    answer: ({ metadata, tensorInfos }) => ({
      pairs: Object.keys(metadata).length - ADDED,
      tensors: tensorInfos.length,
      strings: stringsIn(Object.values(metadata)),
    }),
  };
}
