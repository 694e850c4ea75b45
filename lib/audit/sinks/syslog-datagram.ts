/** Syslog over UDP (RFC 5426): nobody says whether a message arrived. A record counts as delivered when the system took it. */
import type { Socket } from "node:dgram";
import type { TrailLine } from "../records.ts";
import type { Connection, HeldRecord } from "./destination.ts";

export class DatagramConnection implements Connection {
  readonly held = "untold";
  readonly lost: Promise<unknown>;
  readonly #socket: Socket;
  readonly #message: (line: TrailLine) => string;
  #open = true;

  /** The socket must be connected, so that a refusal by the other host is heard. */
  constructor(socket: Socket, message: (line: TrailLine) => string) {
    this.#socket = socket;
    this.#message = message;
    this.lost = new Promise((resolve) => { socket.once("error", resolve); });
    socket.on("error", () => undefined);
    socket.unref();
  }

  async deliver(lines: readonly TrailLine[], acknowledged: (last: HeldRecord) => void): Promise<void> {
    for (const line of lines) {
      await this.#send(this.#message(line));
      acknowledged(line);
    }
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (this.#open) this.#socket.close();
    this.#open = false;
    return Promise.resolve();
  }

  #send(message: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(message, (failure) => {
        if (failure === null) resolve();
        else reject(failure);
      });
    });
  }
}
