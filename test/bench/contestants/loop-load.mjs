/** A load as a host would do it, with all that can bother the event loop switched on. */
import { mkdtempSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { AuditLog, ModelLoader } from "../../../dist/index.js";
import { Registry } from "prom-client";

export default async function setUp({ path, sha256 }) {
  // Beside the model: the runner removes that folder when all is done.
  const audit = await AuditLog.open(mkdtempSync(join(dirname(path), "audit-")));
  const loader = await ModelLoader.open({ root: dirname(path), audit, registry: new Registry() });
  const load = async () => {
    const model = await loader.load(basename(path), { sha256, onProgress: () => undefined });
    await model[Symbol.asyncDispose]();
    return { sha256: model.sha256 };
  };
  return { round: load, watchLoop: true };
}
