/** A siege: thousands of looks at one model while another process attacks its file, and the toll of it. */
import type { Attacker } from "./attacker.ts";
import type { Look, Naive } from "./looks.ts";

/** On a machine that is busy with something else, what the time allows is enough. */
const LOOKS = 10_000;
const SIEGE_MS_MAX = 1_500;
const AT_ONCE = 8;

export interface Toll {
  /** How often each outcome came about. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly looks: number;
  readonly strokes: number;
  readonly heldOff: number;
  /** How often a host without the gate was fooled, which tried once for every eight looks. */
  readonly fooled: number;
}

export async function besiege(attacker: Attacker, attack: readonly string[], look: Look, naive: Naive): Promise<Toll> {
  const outcomes: Record<string, number> = {};
  let [looks, fooled] = [0, 0];
  const end = performance.now() + SIEGE_MS_MAX;
  const { done, heldOff } = await attacker.during(attack, async () => {
    while (looks < LOOKS && performance.now() < end) {
      const use = naive();
      const seen = await Promise.all(Array.from({ length: AT_ONCE }, look));
      for (const outcome of seen) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      looks += seen.length;
      fooled += Number(use());
    }
  });
  return { outcomes, looks, strokes: done, heldOff, fooled };
}

/** A line of the table. */
export function rowOf(name: string, { outcomes, looks, strokes, heldOff, fooled }: Toll): string {
  const counts = Object.entries(outcomes).sort(([a], [b]) => a.localeCompare(b)).map(([outcome, count]) => `${count} ${outcome}`);
  return `${String(looks).padStart(6)} ${String(strokes).padStart(9)} ${String(heldOff).padStart(9)} ${String(fooled).padStart(7)}  ${name}: ${counts.join("; ")}`;
}

export const TABLE_HEAD = " looks   strokes  held off  fooled  attack: outcomes";
