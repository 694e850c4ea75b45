/**
 * A NATS JetStream as sink. Each message is one line of the trail, byte for byte, so that the chain can be verified from the stream
 * alone. The stream itself says what it holds: after any outage or crash delivery goes on behind its last message.
 */
import { bagOf, namesOf } from "../../option-bag.ts";
import { EnvelopeReader } from "../envelope.ts";
import type { Connection, Destination, HeldRecord } from "./destination.ts";
import { problemsOf, streamFor } from "./nats-stream.ts";
import type { StreamWish } from "./nats-stream.ts";
import { isSubjectPrefix, subjectOf } from "./nats-subject.ts";
import { PublishWindow } from "./nats-window.ts";
import { Pump } from "./pump.ts";
import { optionalPackage, sinkName, wholeOption } from "./sink.ts";
import type { AuditSink } from "./sink.ts";

export interface NatsSinkOptions {
  /** Default `nats`. */
  readonly name?: string;
  /** `nats://host:4222`, `tls://…`, or several of a cluster. */
  readonly servers: string | readonly string[];
  /** Default `model-loader-audit`. */
  readonly stream?: string;
  /** Records go to `<prefix>.<origin as one token>`. Default `audit`. */
  readonly subjectPrefix?: string;
  /** Make the stream where it is missing, without deletion and purging. Default false. */
  readonly createStream?: boolean;
  /** Copies that a stream made here has in a cluster. Default 1. */
  readonly replicas?: number;
  /** Use a stream from which records can be taken away again, with a warning. Default false: it is refused. */
  readonly allowWeakStream?: boolean;
  /** More options of the client's `connect`: `tls`, `user`, `pass`, `token`, `authenticator`, `timeout`, … */
  readonly connection?: Readonly<Record<string, unknown>>;
  /** Messages that wait for their acknowledgement at a time. Default 256. */
  readonly inFlightMax?: number;
  /** How long closing the trail waits for what is still to be delivered. Default 2,000 ms. */
  readonly closeMs?: number;
  /** A connection with nothing to do is closed after this time, so that it does not hold the process. Default 5,000 ms. */
  readonly idleMs?: number;
}

type Nats = typeof import("@nats-io/transport-node");
type JetStream = typeof import("@nats-io/jetstream");

interface Settings {
  readonly servers: string[];
  readonly wish: StreamWish;
  readonly prefix: string;
  readonly allowWeakStream: boolean;
  readonly connection: Readonly<Record<string, unknown>>;
  readonly inFlightMax: number;
  readonly idleMs: number;
}

const CONNECT_MS_MAX = 2_000;
const ACKNOWLEDGED_MS_MAX = 5_000;
const STREAM = /^[A-Za-z0-9_-]{1,128}$/;

const NAMES = namesOf<NatsSinkOptions>({
  name: true, servers: true, stream: true, subjectPrefix: true, createStream: true, replicas: true, allowWeakStream: true, connection: true,
  inFlightMax: true, closeMs: true, idleMs: true,
});

/** @throws TypeError where an option is wrong */
export function natsSink(options: NatsSinkOptions): AuditSink {
  bagOf(options, "options", NAMES);
  const name = sinkName(options.name ?? "nats");
  const settings = settingsOf(options);
  const closeMs = wholeOption(options.closeMs ?? 2_000, "closeMs", 0, 600_000);
  return {
    name,
    async prepare() {
      const nats = await optionalPackage(() => import("@nats-io/transport-node"), "@nats-io/transport-node", "NATS");
      const jetStream = await optionalPackage(() => import("@nats-io/jetstream"), "@nats-io/jetstream", "NATS");
      return (trail) => {
        const weak = (problems: string[]): void => {
          const message = `the stream ${settings.wish.name} does not keep what it acknowledges: ${problems.join("; ")}`;
          trail.warn(new Error(message), message);
        };
        return new Pump({ name, closeMs, destination: new NatsDestination(settings, nats, jetStream, weak) }, trail);
      };
    },
  };
}

function settingsOf(options: NatsSinkOptions): Settings {
  const { stream = "model-loader-audit", subjectPrefix = "audit", createStream = false } = options;
  const servers = [options.servers].flat();
  if (servers.length === 0 || !servers.every((server) => typeof server === "string" && server !== "")) {
    throw new TypeError("servers must name at least one NATS server, such as nats://127.0.0.1:4222");
  }
  if (!STREAM.test(stream)) throw new TypeError("stream must be a name of letters, digits, - and _");
  if (!isSubjectPrefix(subjectPrefix)) throw new TypeError("subjectPrefix must be words of letters, digits, - and _, joined by dots");
  return {
    servers,
    wish: { name: stream, subjects: `${subjectPrefix}.*`, create: createStream, replicas: wholeOption(options.replicas ?? 1, "replicas", 1, 5) },
    prefix: subjectPrefix,
    allowWeakStream: options.allowWeakStream ?? false,
    connection: options.connection ?? {},
    inFlightMax: wholeOption(options.inFlightMax ?? 256, "inFlightMax", 1, 4_096),
    idleMs: wholeOption(options.idleMs ?? 5_000, "idleMs", 100, 86_400_000),
  };
}

class NatsDestination implements Destination {
  readonly idleMs: number;
  readonly #settings: Settings;
  readonly #nats: Nats;
  readonly #jetStream: JetStream;
  readonly #weak: (problems: string[]) => void;
  #warned = false;

  constructor(settings: Settings, nats: Nats, jetStream: JetStream, weak: (problems: string[]) => void) {
    this.idleMs = settings.idleMs;
    this.#settings = settings;
    this.#nats = nats;
    this.#jetStream = jetStream;
    this.#weak = weak;
  }

  /** The client's own reconnecting is off: after each break the stream must be asked anew what it holds. */
  async connect(origin: string, signal: AbortSignal): Promise<Connection> {
    const { servers, connection } = this.#settings;
    const client = await this.#nats.connect({ timeout: CONNECT_MS_MAX, ...connection, servers, reconnect: false, maxReconnectAttempts: 0 });
    const abort = (): void => { void client.close().catch(() => undefined); };
    signal.addEventListener("abort", abort, { once: true });
    const close = async (): Promise<void> => {
      signal.removeEventListener("abort", abort);
      await client.close().catch(() => undefined);
    };
    try {
      signal.throwIfAborted();
      const opened = await this.#open(client, subjectOf(this.#settings.prefix, origin), origin);
      return { ...opened, lost: client.closed(), close };
    } catch (failure) {
      await close();
      throw failure;
    }
  }

  async #open(client: Awaited<ReturnType<Nats["connect"]>>, subject: string, origin: string): Promise<Pick<Connection, "held" | "deliver" | "finish">> {
    const { wish, inFlightMax } = this.#settings;
    const manager = await this.#jetStream.jetstreamManager(client, { checkAPI: false });
    const info = await streamFor(manager, wish, (failure) => this.#codeOf(failure) === this.#jetStream.JetStreamApiCodes.StreamNotFound);
    this.#judge(problemsOf(info.config));
    const last = await manager.streams.getMessage(wish.name, { last_by_subj: subject });
    const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = this.#jetStream.JetStreamApiCodes;
    const window = new PublishWindow({
      client: this.#jetStream.jetstream(client), stream: wish.name, subject, inFlightMax, timeoutMs: ACKNOWLEDGED_MS_MAX,
      last: last?.seq ?? 0, tail: info.state.last_seq,
      isWrongSequence: (failure) => ([StreamWrongLastSequence, StreamWrongLastSequenceUnknown] as unknown[]).includes(this.#codeOf(failure)),
    });
    const held = last === null ? undefined : heldIn(last.data, origin, subject);
    // Each record is acknowledged before the next ones are taken.
    return { held, deliver: (lines, acknowledged) => window.deliver(lines, acknowledged), finish: () => Promise.resolve() };
  }

  #judge(problems: string[]): void {
    if (problems.length === 0 || this.#warned) return;
    if (!this.#settings.allowWeakStream) {
      throw new Error(`the stream ${this.#settings.wish.name} does not keep what it acknowledges: ${problems.join("; ")}`);
    }
    this.#warned = true;
    this.#weak(problems);
  }

  #codeOf(failure: unknown): number | undefined {
    return failure instanceof this.#jetStream.JetStreamApiError ? failure.code : undefined;
  }
}

function heldIn(data: Uint8Array, origin: string, subject: string): HeldRecord {
  const envelope = new EnvelopeReader(origin).read(Buffer.concat([Buffer.alloc(1), data]), 1, data.length + 1);
  if (envelope === undefined) throw new Error(`the last message under ${subject} is no record of this trail: somebody else writes there`);
  return envelope;
}
