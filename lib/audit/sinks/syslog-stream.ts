/**
 * Syslog over a stream: TCP, TLS or a Unix socket, each message with its length before it (RFC 6587, RFC 5425).
 *
 * Syslog acknowledges nothing. That the system took the bytes does not mean that the server read them: a record counts as
 * delivered when the connection still stands a while later, or when the server closed it in order after the last byte. What had
 * not come so far is sent again on the next connection. A server that loses what it has read stays unnoticed.
 */
import type { Socket } from "node:net";
import { once } from "node:events";
import type { TrailLine } from "../records.ts";
import type { Connection, HeldRecord } from "./destination.ts";

/** After a server's death the next bytes are answered with a reset well within this time. */
const SETTLED_MS = 1_000;
/** A server that reads nothing for so long is given up. */
const STALLED_MS = 30_000;

interface Sent {
  readonly last: HeldRecord;
  readonly atMs: number;
  readonly acknowledged: (last: HeldRecord) => void;
}

export class StreamConnection implements Connection {
  readonly held = "untold";
  readonly lost: Promise<unknown>;
  readonly #socket: Socket;
  readonly #message: (line: TrailLine) => string;
  readonly #sent: Sent[] = [];
  #finishing = false;
  #timer: NodeJS.Timeout | undefined;

  /** The socket must be connected. */
  constructor(socket: Socket, message: (line: TrailLine) => string) {
    this.#socket = socket;
    this.#message = message;
    this.lost = new Promise((resolve) => {
      socket.once("error", resolve);
      socket.once("end", () => { if (!this.#finishing) resolve(new Error("the syslog server closed the connection")); });
    });
    // A server sends nothing; without reading, its end would not be seen.
    socket.resume();
    socket.unref();
    socket.setKeepAlive(true, STALLED_MS);
    socket.on("timeout", () => { socket.destroy(new Error(`the syslog server took nothing for ${STALLED_MS / 1000} s`)); });
  }

  async deliver(lines: readonly TrailLine[], acknowledged: (last: HeldRecord) => void): Promise<void> {
    const last = lines.at(-1);
    if (last === undefined) return;
    await this.#write(lines.map((line) => framed(this.#message(line))).join(""));
    this.#sent.push({ last, atMs: performance.now(), acknowledged });
    this.#timer ??= setInterval(() => { this.#settle(performance.now() - SETTLED_MS); }, SETTLED_MS / 4).unref();
  }

  /** A server that has read everything closes in its turn. */
  async finish(): Promise<void> {
    this.#finishing = true;
    const closed = once(this.#socket, "close");
    this.#socket.end();
    await closed;
    this.#settle(Infinity);
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    this.#socket.destroy();
    return Promise.resolve();
  }

  #write(text: string): Promise<void> {
    this.#socket.setTimeout(STALLED_MS);
    return new Promise((resolve, reject) => {
      this.#socket.write(text, "latin1", (failure) => {
        this.#socket.setTimeout(0);
        if (failure === null || failure === undefined) resolve();
        else reject(failure);
      });
    });
  }

  #settle(beforeMs: number): void {
    if (this.#socket.destroyed && beforeMs !== Infinity) return;
    for (let [sent] = this.#sent; sent !== undefined && sent.atMs <= beforeMs; [sent] = this.#sent) {
      this.#sent.shift();
      sent.acknowledged(sent.last);
    }
  }
}

function framed(message: string): string {
  return `${message.length} ${message}`;
}
