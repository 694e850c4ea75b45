/** An inference host with models in GPU memory, in small: a process of its own, for only a new process finds the tests' driver. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tinyModel } from "../fixtures/models.mjs";
import { distIndex } from "../support/dist.ts";
import { installDouble } from "../support/driver-double.ts";
import { Child } from "./child.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** One model stays and is scrubbed; another comes, is looked at and goes, over and over, so that each rate has its two scrapes. */
const PROGRAM = `
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { collectDefaultMetrics, Registry } from "prom-client";
import { AuditLog, ModelLoader } from ${JSON.stringify(distIndex())};
const [home] = process.argv.slice(1);
const registry = new Registry();
collectDefaultMetrics({ register: registry });
const audit = await AuditLog.open(home + "/audit");
const loader = await ModelLoader.open({ root: home + "/models", audit, registry });
// The double computes on a busy processor, whose clock proves nothing.
const policy = { slowFactor: 1000 };
const kept = await loader.seal("m.gguf", { policy });
kept.scrub({ dutyCycle: 0.2 });
const server = createServer(async (_, response) => {
  response.setHeader("content-type", registry.contentType);
  response.end(await registry.metrics());
});
server.listen(0, "127.0.0.1", () => { console.error('msg="Listening on" address=127.0.0.1:' + server.address().port); });
for (;;) {
  const shard = await loader.seal("m.gguf", { policy });
  for (const level of ["quick", "sample", "full"]) await shard.verify(level === "sample" ? { level, p: 0.5 } : { level });
  await shard[Symbol.asyncDispose]();
  await sleep(500);
}`;

/** Everything that it writes goes to `folder`/gpu. */
export async function startGpuHost(folder: string): Promise<Child> {
  const home = join(folder, "gpu");
  await mkdir(join(home, "models"), { recursive: true });
  tinyModel({ blocks: 16 }).save(join(home, "models/m.gguf"));
  const env = Object.entries(await installDouble(home)).map(([name, value]) => `${name}=${value}`);
  return Child.start(["env", `--chdir=${ROOT}`, ...env, process.execPath, "--input-type=module", "-e", PROGRAM, home]);
}
