/** An inference host in small: a real loader and a real trail, whose metrics are served as an operator would serve them. */
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
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

export class Host implements AsyncDisposable {
  readonly folder: string;
  readonly disk: Disk;
  readonly loader: ModelLoader;
  readonly #audit: AuditLog;
  readonly #served: Served;

  private constructor(folder: string, disk: Disk, audit: AuditLog, loader: ModelLoader, served: Served) {
    this.folder = folder;
    this.disk = disk;
    this.#audit = audit;
    this.loader = loader;
    this.#served = served;
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
    const root = join(folder, "models");
    await mkdir(root);
    await writeFile(join(root, "good.gguf"), model);
    await writeFile(join(root, "bad.gguf"), model.subarray(0, 1000));
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const audit = await AuditLog.open(join(folder, "audit"), { fs: disk.fs, logger: QUIET });
    const loader = await ModelLoader.open({ root, audit, registry });
    const served = await serve(async (_, response) => {
      response.setHeader("content-type", registry.contentType);
      response.end(await registry.metrics());
    });
    return new Host(folder, disk, audit, loader, served);
  }

  /** `host:port`, as a scrape configuration wants it. */
  get address(): string {
    return new URL(this.#served.url).host;
  }

  /** One of each kind of call. */
  async work(): Promise<void> {
    const loaded = await this.loader.load("good.gguf").catch(refused);
    await loaded?.[Symbol.asyncDispose]().catch(() => undefined);
    await this.loader.load("good.gguf", { sha256: WRONG_DIGEST }).catch(refused);
    await this.loader.validateBytes(model).catch(refused);
    await this.loader.inspect("good.gguf").catch(refused);
    await this.loader.load("bad.gguf").catch(refused);
  }

  /** A path out of the root; true when its record was lost. */
  async attack(): Promise<boolean> {
    const failure: unknown = await this.loader.load("../../etc/passwd").catch((refusal: unknown) => refusal);
    if (failure instanceof ModelLoadError && failure.code === "PATH_TRAVERSAL") return failure.auditError !== undefined;
    throw failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#served[Symbol.asyncDispose]();
    // On a full disk the last records are lost, and disposal says so; that is not what is tested here.
    await this.loader[Symbol.asyncDispose]().catch(() => undefined);
    await this.#audit[Symbol.asyncDispose]().catch(() => undefined);
    this.disk.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function refused(failure: unknown): undefined {
  if (!(failure instanceof ModelLoadError)) throw failure;
}
