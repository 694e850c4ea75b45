/** A syslog server as sink (RFC 5424): over TCP, TLS, a Unix socket, or UDP. */
import { createSocket } from "node:dgram";
import type { Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { bagOf, namesOf } from "../../option-bag.ts";
import type { TrailLine } from "../records.ts";
import type { Connection, Destination } from "./destination.ts";
import { Pump } from "./pump.ts";
import { sinkName, wholeOption } from "./sink.ts";
import type { AuditSink } from "./sink.ts";
import { DatagramConnection } from "./syslog-datagram.ts";
import { syslogMessage } from "./syslog-message.ts";
import type { MessageOptions } from "./syslog-message.ts";
import { StreamConnection } from "./syslog-stream.ts";

export interface SyslogSinkOptions {
  /** Default `syslog`. */
  readonly name?: string;
  /** `tls` verifies the server's certificate; `udp` may lose messages without a word; `unix` is a stream socket: Node has no datagram ones. */
  readonly transport: "tcp" | "tls" | "udp" | "unix";
  readonly host?: string;
  /** Default: 6514 for TLS, otherwise 514. */
  readonly port?: number;
  /** Of the Unix socket. */
  readonly path?: string;
  /** Of node:tls: `ca`, `cert`, `key`, `servername`, … */
  readonly tls?: ConnectionOptions;
  /** 0 to 23. Default 13, "log audit". */
  readonly facility?: number;
  /** `line` sends the record byte for byte, from which the chain can be verified; `cef` a CEF event. Default `line`. */
  readonly format?: "line" | "cef";
  /** Your organisation's IANA private enterprise number; with it origin, number and hash stand in structured data of their own. */
  readonly enterpriseNumber?: number;
  /** How long closing the trail waits for what is still to be delivered. Default 2,000 ms. */
  readonly closeMs?: number;
}

const PORT = 514;
const TLS_PORT = 6514;
const AUDIT_FACILITY = 13;
const CONNECT_MS_MAX = 5_000;
const TRANSPORTS = ["tcp", "tls", "udp", "unix"];

const NAMES = namesOf<SyslogSinkOptions>({
  name: true, transport: true, host: true, port: true, path: true, tls: true, facility: true, format: true, enterpriseNumber: true, closeMs: true,
});

/** @throws TypeError where an option is wrong */
export function syslogSink(options: SyslogSinkOptions): AuditSink {
  bagOf(options, "options", NAMES);
  const name = sinkName(options.name ?? "syslog");
  const closeMs = wholeOption(options.closeMs ?? 2_000, "closeMs", 0, 600_000);
  const destination = new SyslogDestination(placeOf(options), messageOptions(options));
  return { name, prepare: () => Promise.resolve((trail) => new Pump({ name, closeMs, destination }, trail)) };
}

type Place = Pick<SyslogSinkOptions, "transport" | "tls"> & { readonly host: string; readonly port: number; readonly path: string };

function placeOf({ transport, host, port, path, tls }: SyslogSinkOptions): Place {
  if (!TRANSPORTS.includes(transport)) throw new TypeError(`transport must be one of ${TRANSPORTS.join(", ")}`);
  const isUnix = transport === "unix";
  if (isUnix && (typeof path !== "string" || path === "")) throw new TypeError("path must name the Unix socket of the syslog server");
  if (!isUnix && (typeof host !== "string" || host === "")) throw new TypeError("host must name the syslog server");
  const number = wholeOption(port ?? (transport === "tls" ? TLS_PORT : PORT), "port", 1, 65_535);
  return { transport, host: host ?? "", port: number, path: path ?? "", ...(tls === undefined ? {} : { tls }) };
}

function messageOptions({ facility = AUDIT_FACILITY, format = "line", enterpriseNumber }: SyslogSinkOptions): MessageOptions {
  if (!["line", "cef"].includes(format)) throw new TypeError("format must be line or cef");
  return {
    facility: wholeOption(facility, "facility", 0, 23),
    format,
    enterprise: enterpriseNumber === undefined ? undefined : wholeOption(enterpriseNumber, "enterpriseNumber", 1, 4_294_967_295),
  };
}

class SyslogDestination implements Destination {
  /** The socket does not hold the process, so it can stay. */
  readonly idleMs = undefined;
  readonly #place: Place;
  readonly #message: (line: TrailLine) => string;

  constructor(place: Place, options: MessageOptions) {
    this.#place = place;
    this.#message = (line) => syslogMessage(line, options);
  }

  async connect(_origin: string, signal: AbortSignal): Promise<Connection> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS_MAX)]);
    if (this.#place.transport === "udp") return new DatagramConnection(await datagramSocket(this.#place, within), this.#message);
    return new StreamConnection(await streamSocket(this.#place, within), this.#message);
  }
}

async function streamSocket({ transport, host, port, path, tls }: Place, signal: AbortSignal): Promise<Socket> {
  const socket = transport === "tls" ? connectTls({ host, port, ...tls }) : createConnection(transport === "unix" ? { path } : { host, port });
  socket.unref();
  try {
    await once(socket, transport === "tls" ? "secureConnect" : "connect", { signal });
    return socket;
  } catch (failure) {
    socket.on("error", () => undefined);
    socket.destroy();
    throw failure;
  }
}

async function datagramSocket({ host, port }: Place, signal: AbortSignal): Promise<DatagramSocket> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.unref();
  try {
    socket.connect(port, host);
    await once(socket, "connect", { signal });
    return socket;
  } catch (failure) {
    socket.on("error", () => undefined);
    socket.close();
    throw failure;
  }
}
