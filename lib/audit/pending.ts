/** A record on its way to the disk, and who waits for it. */
import type { AuditWriteError } from "./errors.ts";
import type { Draft } from "./record.ts";

export interface AuditReceipt {
  readonly seq: number;
  readonly leafHash: string;
}

export interface Waiter {
  resolve(receipt: AuditReceipt): void;
  reject(failure: AuditWriteError): void;
}

/** A record and who waits for it. */
export interface Pending {
  readonly draft: Draft;
  /** When its caller began to wait, as `performance.now()`. */
  readonly sinceMs?: number | undefined;
  waiter?: Waiter | undefined;
}
