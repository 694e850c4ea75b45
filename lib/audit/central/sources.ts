/** Where the lines of trails lie that were sent away from their hosts. Each source can be read more than once. */

/** The lines of one host's trail, in the order in which they arrived. */
export interface CentralTrail {
  readonly origin: string;
  lines(): AsyncIterable<Uint8Array>;
}

export interface CentralSource {
  /** Every trail that it holds. Rejects where it cannot be read. */
  trails(): Promise<readonly CentralTrail[]>;
  /** What its own settings allow that would make a record vanish. */
  readonly weaknesses: readonly string[];
  close(): Promise<void>;
}
