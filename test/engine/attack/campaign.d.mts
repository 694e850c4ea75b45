export interface Round {
  readonly attack: "replace" | "unlink" | "truncate" | "rewrite" | undefined;
  readonly moment: "before" | "reading" | "verdict" | "engine opens" | "engine reads" | "loaded" | "speaking";
  /** How far into the moment, from 0 to 1, where it lasts. */
  readonly at: number;
  /** The least that the load asks for. */
  readonly guard: "pinned" | "leased" | "sealed";
  /** How the engine reads. */
  readonly useMmap: boolean;
  /** The engine gets the path that was verified, not the model's own: what hosts do without the gate. */
  readonly byName?: true;
}

export interface Judgement {
  /** In words, as the table has it. */
  readonly outcome: string;
  /** The gate did not keep its word: bytes that were not verified, under a guard that keeps them, or without a warning. */
  readonly broken: boolean;
}

export const NAME_ATTACKS: readonly ["replace", "unlink"];
export const BYTE_ATTACKS: readonly ["truncate", "rewrite"];
/** At random, over everything. */
export function anyRounds(count: number, random: () => number): Round[];
/** One of the attacks at each moment, in turn. */
export function roundsInTurn(attacks: readonly Round["attack"][], guard: Round["guard"], random: () => number): Round[];
/** Each of the attacks at each moment. */
export function roundsAt(attacks: readonly Round["attack"][], guard: Round["guard"], random: () => number): Round[];

export class Campaign {
  /**
   * @param entry the engine's entry module
   * @param pristine the model; it is copied, never written to
   */
  static open(entry: string, pristine: string, sha256: string): Promise<Campaign>;
  play(round: Round): Promise<Judgement>;
  /** The count so far: a line for each outcome of each attack at each moment. */
  table(): string;
  /** Ends the host and removes the copies. */
  close(): void;
}
