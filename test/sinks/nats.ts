/** Real NATS servers: Debian's, whose acknowledgement does not mean disk, and a newer one that syncs each message. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { onTestFinished } from "vitest";
import { cacheFolder } from "../../scripts/cache.mjs";
import { locate, unpackDebian } from "../support/debian.ts";
import { endGroup } from "../support/end-group.ts";

const NAME = "nats-server";
const GO_MODULE = fileURLToPath(new URL("go/", import.meta.url));
const GO = existsSync("/usr/local/go/bin/go") ? "/usr/local/go/bin/go" : "go";
const NEWER = "2.12.1";
const BUILD_MS_MAX = 110_000;
const LIFE_SECONDS_MAX = 120;
const READY_MS_MAX = 20_000;

export interface Program {
  readonly path: string;
  /** Each acknowledged message has been synced. */
  readonly syncAlways: boolean;
}

/** Debian's server, or why there is none. */
export async function debianServer(): Promise<Program | string> {
  const before = locate("nats-server", NAME);
  if (before !== undefined) return { path: before, syncAlways: false };
  const missing = await unpackDebian({ name: NAME, packages: ["nats-server"], probe: "usr/sbin/nats-server" });
  const path = locate("nats-server", NAME);
  return path === undefined ? (missing ?? "Debian's package holds no nats-server") : { path, syncAlways: false };
}

/** Built from the Go module proxy in a CI run, once; or why there is none. */
export function newerServer(): Program | string {
  const folder = cacheFolder("nats-server-go");
  const path = join(folder, `nats-server-${NEWER}`);
  if (existsSync(path)) return { path, syncAlways: true };
  if (process.env["CI"] !== "true") return "a newer nats-server is built in CI runs only";
  mkdirSync(folder, { recursive: true });
  const part = `${path}.${process.pid}`;
  const args = ["build", "-mod=readonly", "-o", part, "github.com/nats-io/nats-server/v2"];
  const build = spawnSync(GO, args, { cwd: GO_MODULE, encoding: "utf8", timeout: BUILD_MS_MAX, env: { ...process.env, GOTOOLCHAIN: "local" } });
  if (build.status !== 0) return `nats-server ${NEWER} could not be built: ${build.error?.message ?? build.stderr}`;
  renameSync(part, path);
  return { path, syncAlways: true };
}

/** A server with JetStream, on one port for all its lives. */
export class NatsServer {
  readonly url: string;
  readonly #program: Program;
  readonly #port: number;
  readonly #config: string;
  #child: ChildProcess | undefined;

  private constructor(program: Program, port: number, config: string) {
    this.#program = program;
    this.#port = port;
    this.#config = config;
    this.url = `nats://127.0.0.1:${port}`;
  }

  /** Not running yet; ends with the test. `extra` is text for its configuration. */
  static async make(program: Program, extra = ""): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), "nats-"));
    const port = await freePort();
    const config = join(folder, "server.conf");
    const sync = program.syncAlways ? ", sync_interval: always" : "";
    writeFileSync(config, `listen: "127.0.0.1:${port}"\njetstream: { store_dir: ${JSON.stringify(join(folder, "store"))}${sync} }\n${extra}\n`);
    const server = new NatsServer(program, port, config);
    onTestFinished(async () => {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    });
    return server;
  }

  static async start(program: Program, extra = ""): Promise<NatsServer> {
    const server = await NatsServer.make(program, extra);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const child = spawn("timeout", ["--foreground", "--kill-after=1", String(LIFE_SECONDS_MAX), this.#program.path, "-c", this.#config], { stdio: ["ignore", "ignore", "pipe"], detached: true });
    this.#child = child;
    let said = "";
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => { reject(new Error(`nats-server on ${this.#port} is not ready:\n${said}`)); }, READY_MS_MAX);
      child.once("exit", () => { reject(new Error(`nats-server ended:\n${said}`)); });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-10_000);
        if (!said.includes("Server is ready")) return;
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** SIGKILL: nothing is written any more. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await endGroup(child);
  }

  async client(options: Readonly<Record<string, unknown>> = {}): Promise<NatsConnection> {
    const client = await connect({ ...options, servers: this.url });
    onTestFinished(() => client.close().catch(() => undefined));
    return client;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}
