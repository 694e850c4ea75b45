/** hyllama parses a buffer and leaves reading to its caller: here the header's bytes exactly, which favours it. */
import { closeSync, openSync, readSync } from "node:fs";
import { importPeer } from "../peers.mjs";
import { stringsIn } from "../strings.mjs";

/** version and tensor_count stand beside the file's own keys. */
const ADDED = 2;

export default async function setUp({ peers, path, headerBytes }) {
  const { ggufMetadata } = await importPeer(peers, "hyllama");
  return {
    round: () => ggufMetadata(readStart(path, headerBytes)),
    answer: ({ metadata, tensorInfos }) => ({
      pairs: Object.keys(metadata).length - ADDED,
      tensors: tensorInfos.length,
      strings: stringsIn(Object.values(metadata)),
    }),
  };
}

function readStart(path, bytes) {
  const buffer = new Uint8Array(bytes);
  const fd = openSync(path, "r");
  readSync(fd, buffer, 0, bytes, 0);
  closeSync(fd);
  return buffer.buffer;
}
