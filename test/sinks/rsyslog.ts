/** A real rsyslogd, installed or unpacked from Debian's packages, that writes what it understood of each message. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { locate, unpackDebian, unpackedRoot } from "../support/debian.ts";
import { endGroup } from "../support/end-group.ts";
import { freePort } from "./nats.ts";
import { eventually } from "./support.ts";

const NAME = "rsyslog";
const PACKAGES = ["rsyslog", "rsyslog-openssl", "libestr0", "libfastjson4", "liblognorm5"];
const LIBRARIES = `usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
const LIFE_SECONDS_MAX = 120;
/** What separates the fields in the file: no message may hold it. */
const TEMPLATE = "%syslogfacility%~%syslogseverity%~%timestamp:::date-rfc3339%~%hostname%~%app-name%~%procid%~%msgid%~%structured-data%~%msg%\\n";

export interface Rsyslog {
  readonly path: string;
  readonly libraries: string;
}

export interface Understood {
  readonly facility: number;
  readonly severity: number;
  readonly time: string;
  readonly host: string;
  readonly app: string;
  readonly procid: string;
  readonly msgid: string;
  readonly data: string;
  readonly message: string;
}

/** The program, or why there is none. */
export async function rsyslogd(): Promise<Rsyslog | string> {
  const missing = locate("rsyslogd", NAME) === undefined ? await unpackDebian({ name: NAME, packages: PACKAGES, probe: "usr/sbin/rsyslogd" }) : undefined;
  const path = locate("rsyslogd", NAME);
  if (path === undefined) return missing ?? "Debian's packages hold no rsyslogd";
  const libraries = path.startsWith(unpackedRoot(NAME)) ? join(unpackedRoot(NAME), LIBRARIES) : "";
  const works = spawnSync(path, ["-v"], { env: environment(libraries), encoding: "utf8" });
  return works.status === 0 ? { path, libraries } : `rsyslogd does not run: ${works.stderr}`;
}

export class SyslogServer {
  readonly port: number;
  readonly folder: string;
  readonly #program: Rsyslog;
  #child: ChildProcess | undefined;

  private constructor(program: Rsyslog, folder: string, port: number) {
    this.#program = program;
    this.folder = folder;
    this.port = port;
  }

  static async start(program: Rsyslog, transport: "tcp" | "tls" | "udp"): Promise<SyslogServer> {
    const folder = mkdtempSync(join(tmpdir(), "rsyslog-"));
    const server = new SyslogServer(program, folder, await freePort());
    onTestFinished(async () => {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    });
    if (transport === "tls") certificate(folder);
    writeFileSync(join(folder, "rsyslog.conf"), server.#config(transport));
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { path, libraries } = this.#program;
    const modules = libraries === "" ? [] : ["-M", join(libraries, "rsyslog")];
    const args = [path, "-n", "-f", join(this.folder, "rsyslog.conf"), "-i", join(this.folder, "pid"), ...modules];
    const command = ["--foreground", "--kill-after=1", String(LIFE_SECONDS_MAX), ...args];
    rmSync(join(this.folder, "pid"), { force: true });
    this.#child = spawn("timeout", command, { env: environment(libraries), stdio: "ignore", detached: true });
    // It writes its process id once it listens.
    await eventually(() => existsSync(join(this.folder, "pid")), "rsyslogd is ready");
  }

  /** The system still takes messages for it, and it reads none of them. */
  freeze(): void {
    if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, "SIGSTOP");
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await endGroup(child);
  }

  get certificate(): string {
    return readFileSync(join(this.folder, "cert.pem"), "utf8");
  }

  received(): Understood[] {
    const path = join(this.folder, "received");
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
    return lines.filter((line) => line !== "").map(understood);
  }

  #config(transport: "tcp" | "tls" | "udp"): string {
    const file = (name: string): string => JSON.stringify(join(this.folder, name));
    const tls = `global(defaultNetstreamDriverCAFile=${file("cert.pem")} defaultNetstreamDriverCertFile=${file("cert.pem")} defaultNetstreamDriverKeyFile=${file("key.pem")})\n`;
    const driver = transport === "tls" ? ' streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"' : "";
    const kind = transport === "udp" ? "imudp" : "imtcp";
    return `global(workDirectory=${file("")} maxMessageSize="64k")\n${transport === "tls" ? tls : ""}` +
      `module(load="${kind}"${driver})\ninput(type="${kind}" address="127.0.0.1" port="${this.port}")\n` +
      `template(name="fields" type="string" string="${TEMPLATE}")\n` +
      `action(type="omfile" file=${file("received")} template="fields" flushOnTXEnd="on" asyncWriting="off")\n`;
  }
}

function environment(libraries: string): NodeJS.ProcessEnv {
  return libraries === "" ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries };
}

function certificate(folder: string): void {
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = spawnSync("openssl", [...args, "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`);
}

function understood(line: string): Understood {
  const [facility, severity, time = "", host = "", app = "", procid = "", msgid = "", data = "", ...rest] = line.split("~");
  // rsyslog keeps the space that stands before the message.
  return { facility: Number(facility), severity: Number(severity), time, host, app, procid, msgid, data, message: rest.join("~").trimStart() };
}
