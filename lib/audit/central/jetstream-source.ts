/** Trails in a JetStream: one subject each. */
import { readFileSync } from "node:fs";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { bagOf, namesOf } from "../../option-bag.ts";
import { problemsOf } from "../sinks/nats-stream.ts";
import { originIn } from "../sinks/nats-subject.ts";
import { optionalPackage } from "../sinks/sink.ts";
import type { CentralSource, CentralTrail } from "./sources.ts";

export interface JetStreamPlace {
  /** `nats://host:4222` or `tls://…`; a user and password, or a token, may stand before the host. */
  readonly url: string;
  readonly stream: string;
  /** A file of NATS credentials. */
  readonly creds?: string;
  /** A file with the certificates that the server's is signed by. */
  readonly ca?: string;
}

/** Messages that are fetched ahead of the reader. */
const AHEAD = 500;
const CONNECT_MS_MAX = 5_000;
/** Without a message for this long the server is gone. */
const SILENT_MS_MAX = 20_000;

const NAMES = namesOf<JetStreamPlace>({ url: true, stream: true, creds: true, ca: true });

export async function jetStreamSource(place: JetStreamPlace): Promise<CentralSource> {
  bagOf(place, "place", NAMES);
  const nats = await optionalPackage(() => import("@nats-io/transport-node"), "@nats-io/transport-node", "NATS");
  const jetStream = await optionalPackage(() => import("@nats-io/jetstream"), "@nats-io/jetstream", "NATS");
  const client = await nats.connect({ ...connectOptions(place, nats), reconnect: false, timeout: CONNECT_MS_MAX });
  try {
    const manager = await jetStream.jetstreamManager(client, { checkAPI: false });
    const info = await manager.streams.info(place.stream);
    return new JetStreamSource({ client, manager, reader: jetStream.jetstream(client), stream: place.stream, weaknesses: problemsOf(info.config) });
  } catch (failure) {
    await client.close();
    throw failure;
  }
}

interface Parts {
  readonly client: NatsConnection;
  readonly manager: JetStreamManager;
  readonly reader: JetStreamClient;
  readonly stream: string;
  readonly weaknesses: readonly string[];
}

class JetStreamSource implements CentralSource {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get weaknesses(): readonly string[] {
    return this.#parts.weaknesses;
  }

  async trails(): Promise<readonly CentralTrail[]> {
    const { manager, stream } = this.#parts;
    const { state } = await manager.streams.info(stream, { subjects_filter: ">" });
    return Object.keys(state.subjects ?? {}).sort().flatMap((subject) => {
      const origin = originIn(subject);
      return origin === undefined ? [] : [{ origin, lines: () => this.#lines(subject) }];
    });
  }

  close(): Promise<void> {
    return this.#parts.client.close();
  }

  /** Up to the message that is the last one when reading begins. */
  async *#lines(subject: string): AsyncGenerator<Uint8Array> {
    const { reader, manager, stream, client } = this.#parts;
    const last = await manager.streams.getMessage(stream, { last_by_subj: subject });
    if (last === null) return;
    const consumer = await reader.consumers.get(stream, { filter_subjects: subject });
    const messages = await consumer.consume({ max_messages: AHEAD });
    const silent = setTimeout(() => { void messages.close(); }, SILENT_MS_MAX);
    void client.closed().then(() => messages.close());
    try {
      for await (const message of messages) {
        silent.refresh();
        yield message.data;
        if (message.seq >= last.seq) return;
      }
    } finally {
      clearTimeout(silent);
      await messages.close();
    }
    throw new Error(`the stream ${stream} broke off before message ${last.seq} of ${subject}`);
  }
}

function connectOptions({ url, creds, ca }: JetStreamPlace, { credsAuthenticator }: typeof import("@nats-io/transport-node")): object {
  const { protocol, host, username, password } = new URL(url);
  const user = decodeURIComponent(username);
  return {
    servers: `${protocol}//${host}`,
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(readFileSync(creds)) }),
    ...(user === "" ? {} : password === "" ? { token: user } : { user, pass: decodeURIComponent(password) }),
    ...(ca === undefined ? (protocol === "tls:" ? { tls: {} } : {}) : { tls: { caFile: ca } }),
  };
}

