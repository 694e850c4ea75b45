/** Loads and disposes of one small model so many times, so many at once. */
import { mkdtempSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { AuditLog, ModelLoader } from "../../../dist/index.js";

export default async function setUp({ path, sha256, loads, audit, together }) {
  const loader = await ModelLoader.open({ root: dirname(path), audit: audit ? await trail(path) : "disabled", concurrency: together });
  const one = async () => {
    const model = await loader.load(basename(path), { sha256 });
    await model[Symbol.asyncDispose]();
    return model.sha256;
  };
  return {
    async round() {
      const digests = [];
      let begun = 0;
      const lane = async () => { while (begun++ < loads) digests.push(await one()); };
      await Promise.all(Array.from({ length: together }, lane));
      return digests;
    },
    answer: (digests) => ({ loads: digests.length, sha256: digests.every((digest) => digest === sha256) ? sha256 : "not always the same" }),
  };
}

/** Beside the model: the runner removes that folder when all is done. */
function trail(path) {
  return AuditLog.open(mkdtempSync(join(dirname(path), "audit-")));
}
