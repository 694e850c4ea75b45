/** One line on a terminal that says how far the work is, how fast it goes and how long it will take. */
import { performance } from "node:perf_hooks";
import { visible } from "./terminal.ts";
import { secondsText, sizeText } from "./units.ts";

/** More than 20 a second is flicker, not news. */
const DRAW_INTERVAL_MS = 50;
const BAR_CELLS_MAX = 20;
const BAR_CELLS_MIN = 4;
const NAME_LENGTH_MAX = 32;
const NAME_LENGTH_MIN = 10;
const COLUMNS_DEFAULT = 80;
export const CLEAR_LINE = "\r\u001B[2K";

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Where nobody watches, nothing is drawn. */
export function watched(screen: Screen, term: string | undefined = process.env["TERM"]): boolean {
  return screen.isTTY === true && term !== "dumb";
}

export class Progress {
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #files: number;
  readonly #bytesTotal: number;
  readonly #startedMs: number;
  readonly #done = new Map<number, number>();
  #finished = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(screen: Screen, files: number, bytesTotal: number, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#now = now;
    this.#files = files;
    this.#bytesTotal = bytesTotal;
    this.#startedMs = now();
  }

  /** File number `index` has been read up to `bytesDone`. */
  advance(index: number, name: string, bytesDone: number): void {
    this.#done.set(index, bytesDone);
    if (this.#now() - this.#drawnMs < DRAW_INTERVAL_MS) return;
    this.#drawnMs = this.#now();
    this.#shown = true;
    this.#screen.write(CLEAR_LINE + this.#line(name));
  }

  finish(): void {
    this.#finished += 1;
  }

  /** Leaves no trace on the screen; the next step draws again. */
  clear(): void {
    if (this.#shown) this.#screen.write(CLEAR_LINE);
    this.#shown = false;
  }

  #line(name: string): string {
    const done = [...this.#done.values()].reduce((sum, bytes) => sum + bytes, 0);
    const rate = done / Math.max(0.001, (this.#now() - this.#startedMs) / 1000);
    const total = Math.max(this.#bytesTotal, done, 1);
    const files = this.#files > 1 ? `${this.#finished + 1}/${this.#files} ` : "";
    const figures = `${percent(done / total)}  ${sizeText(done)} of ${sizeText(total)}  ` +
      `${(rate / 1e9).toFixed(2)} GB/s  ${secondsText((total - done) / Math.max(rate, 1))} left`;
    const room = columnsOf(this.#screen) - 1;
    const title = files + clip(name, Math.min(NAME_LENGTH_MAX, room - files.length - figures.length));
    return `${title}${bar(done / total, room - title.length - figures.length)}${figures}`.slice(0, room);
  }
}

/** A terminal that does not know its width says 0. */
export function columnsOf({ columns = 0 }: Screen): number {
  return columns > 0 ? columns : COLUMNS_DEFAULT;
}

/** The figures are what is watched; the name takes what they leave, and the bar the rest. */
function clip(name: string, room: number): string {
  const safe = visible(name);
  if (room < NAME_LENGTH_MIN) return "";
  return `${safe.length <= room - 2 ? safe : `…${safe.slice(3 - room)}`}  `;
}

function bar(part: number, room: number): string {
  const cells = Math.min(BAR_CELLS_MAX, room - 3);
  if (cells < BAR_CELLS_MIN) return "";
  const full = Math.floor(part * cells);
  return `[${"#".repeat(full)}${"-".repeat(cells - full)}] `;
}

function percent(part: number): string {
  return `${Math.floor(part * 100).toString().padStart(3)} %`;
}
