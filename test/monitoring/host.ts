/** An inference host in small: a real loader and a real trail, whose metrics are served as an operator would serve them. */
import { mkdtemp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectDefaultMetrics, Registry } from "prom-client";
import { AuditLog, ModelLoader, ModelLoadError } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { smallDisk } from "./disk.ts";
import type { Disk } from "./disk.ts";
import { serve } from "./serve.ts";
import type { Served } from "./serve.ts";

const model = tinyModel().bytes();
const QUIET = { error: () => undefined, warn: () => undefined };
const WRONG_DIGEST = "0".repeat(64);

/** What a restart replaces. */
interface Gate {
  readonly audit: AuditLog;
  readonly loader: ModelLoader;
}

export class Host implements AsyncDisposable {
  readonly folder: string;
  readonly disk: Disk;
  readonly #registry: Registry;
  readonly #served: Served;
  #gate: Gate;

  private constructor(folder: string, disk: Disk, registry: Registry, served: Served, gate: Gate) {
    this.folder = folder;
    this.disk = disk;
    this.#registry = registry;
    this.#served = served;
    this.#gate = gate;
  }

  static async open(): Promise<Host> {
    const folder = await mkdtemp(join(tmpdir(), "model-loader-"));
    const disk = smallDisk(join(folder, "audit"));
    try {
      return await Host.#open(folder, disk);
    } catch (failure) {
      disk.remove();
      throw failure;
    }
  }

  static async #open(folder: string, disk: Disk): Promise<Host> {
    await mkdir(join(folder, "models"));
    await writeFile(join(folder, "models/good.gguf"), model);
    await writeFile(join(folder, "models/bad.gguf"), model.subarray(0, 1000));
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const gate = await openGate(folder, disk, registry);
    const served = await serve(async (_, response) => {
      response.setHeader("content-type", registry.contentType);
      response.end(await registry.metrics());
    });
    return new Host(folder, disk, registry, served, gate);
  }

  /** `host:port`, as a scrape configuration wants it. */
  get address(): string {
    return new URL(this.#served.url).host;
  }

  /** One of each kind of call. */
  async work(): Promise<void> {
    const loaded = await this.#gate.loader.load("good.gguf").catch(refused);
    await loaded?.[Symbol.asyncDispose]().catch(() => undefined);
    await this.#gate.loader.load("good.gguf", { sha256: WRONG_DIGEST }).catch(refused);
    await this.#gate.loader.validateBytes(model).catch(refused);
    await this.#gate.loader.inspect("good.gguf").catch(refused);
    await this.#gate.loader.load("bad.gguf").catch(refused);
  }

  /** A path out of the root; true when its record was lost. */
  async attack(): Promise<boolean> {
    const failure: unknown = await this.#gate.loader.load("../../etc/passwd").catch((refusal: unknown) => refusal);
    if (failure instanceof ModelLoadError && failure.code === "PATH_TRAVERSAL") return failure.auditError !== undefined;
    throw failure;
  }

  /** Stops, loses the newest records as a burglar would take them, and starts again. */
  async comeBackShorter(records: number): Promise<void> {
    await closeGate(this.#gate);
    await cut(join(this.folder, "audit/log"), records);
    // A trail that misses records may have to be forced; what is tested is that the operator hears of it all the same.
    this.#gate = await openGate(this.folder, this.disk, this.#registry, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#served[Symbol.asyncDispose]();
    // On a full disk the last records are lost, and disposal says so; that is not what is tested here.
    await closeGate(this.#gate).catch(() => undefined);
    this.disk.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function openGate(folder: string, disk: Disk, registry: Registry, how: { force?: boolean } = {}): Promise<Gate> {
  const audit = await AuditLog.open(join(folder, "audit"), { fs: disk.fs, logger: QUIET, ...how });
  return { audit, loader: await ModelLoader.open({ root: join(folder, "models"), audit, registry }) };
}

async function closeGate({ audit, loader }: Gate): Promise<void> {
  await loader[Symbol.asyncDispose]().finally(() => audit[Symbol.asyncDispose]());
}

async function cut(log: string, records: number): Promise<void> {
  const newest = join(log, (await readdir(log)).filter((name) => name.endsWith(".jsonl")).sort().at(-1) ?? "");
  const lines = (await readFile(newest, "utf8")).split("\n");
  await writeFile(newest, `${lines.slice(0, -records - 1).join("\n")}\n`);
}

function refused(failure: unknown): undefined {
  if (!(failure instanceof ModelLoadError)) throw failure;
}
