/** Three ways to the SHA-256 of a buffer; ours judges the format as well. */
import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { ModelLoader } from "../../../dist/index.js";

export default async function setUp({ way, path }) {
  const bytes = readFileSync(path);
  const loader = await ModelLoader.open({ root: tmpdir(), audit: "disabled" });
  const ways = {
    ours: async () => (await loader.validateBytes(bytes)).sha256,
    subtle: async () => Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex"),
    createHash: () => createHash("sha256").update(bytes).digest("hex"),
  };
  return { round: () => ways[way](), watchLoop: true };
}
