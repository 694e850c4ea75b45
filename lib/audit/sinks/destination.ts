/** What a pump delivers to: one connection at a time, and a new one after each failure. */
import type { TrailLine } from "../records.ts";

/** The last record that the other side holds. */
export interface HeldRecord {
  readonly seq: number;
  /** RFC 6962 leaf hash, hex. */
  readonly leaf: string;
}

export interface Connection {
  /** `untold`: it cannot say what it holds, and our own cursor counts. Undefined: it holds nothing of this trail. */
  readonly held: HeldRecord | undefined | "untold";
  /** Resolves when more can be taken; tells in order what has arrived, then or later. A failure leaves no gap. */
  deliver(lines: readonly TrailLine[], acknowledged: (last: HeldRecord) => void): Promise<void>;
  /** Nothing more comes: resolves when all has arrived. */
  finish(): Promise<void>;
  /** Resolves with the reason when the connection is gone. */
  readonly lost: Promise<unknown>;
  /** Never rejects. */
  close(): Promise<void>;
}

export interface Destination {
  /** An idle connection is closed after this time, where it would keep the process from ending; undefined: it is kept. */
  readonly idleMs: number | undefined;
  /** Must give up soon after `signal` is aborted. */
  connect(origin: string, signal: AbortSignal): Promise<Connection>;
}
