/**
 * What goes on from records once they are durable: the published tree, a sink. The trail does not depend on any of them: a
 * follower that fails says so itself, by its own counter and a line in the log, and never fails an emit.
 */
import type { Draft } from "./record.ts";

export interface DurableRecord {
  readonly seq: number;
  /** RFC 6962 leaf hash, hex. */
  readonly leaf: string;
  /** The line as it stands in the segment, with its newline. */
  readonly text: string;
  readonly draft: Draft;
}

export interface Follower {
  /** Each record once, in the order of their numbers. Called within a commit: it must neither throw nor wait. */
  durable(records: readonly DurableRecord[]): void;
  /** After the last record, while the folder is still ours. Must end in bounded time. */
  close(): Promise<void>;
  /** The same for the end of a process: what cannot be done at once is left to the next run. */
  closeSync(): void;
}
