export interface Tally { readonly passed: number; readonly failed: number; readonly skipped: number }

export const NONE: Tally;
export function sum(tallies: readonly Tally[]): Tally;
export function cargoTally(output: string): Tally;
export function vitestTally(path: string): Promise<Tally>;
export function tallyLine(tally: Tally): string;
