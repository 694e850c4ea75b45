/** The live view of one sealed model: a few lines on a terminal, drawn anew in place. */
import { percentText } from "../vram/evidence.ts";
import type { Evidence } from "../vram/evidence.ts";
import type { ScrubStep } from "../vram/scrub.ts";
import type { Shard } from "../vram/shard.ts";
import { CLEAR_LINE, columnsOf } from "./progress.ts";
import type { Screen } from "./progress.ts";
import { visible } from "./terminal.ts";
import { count, secondsText, sizeText } from "./units.ts";

const BAR_CELLS = 30;
/** More than 10 a second is flicker, not news. */
const DRAW_INTERVAL_MS = 100;

export class WatchView {
  readonly #screen: Screen;
  readonly #shard: Shard;
  readonly #dutyCycle: number;
  readonly #now: () => number;
  readonly #startedMs: number;
  #coverage = 0;
  #passes = 0;
  #last: Evidence;
  #lastMs: number;
  #rate = 0;
  #lines = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(screen: Screen, shard: Shard, dutyCycle: number, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#shard = shard;
    this.#dutyCycle = dutyCycle;
    this.#now = now;
    this.#startedMs = now();
    this.#lastMs = now();
    this.#last = shard.evidence;
    this.draw();
  }

  step({ coverage, passes, bytes, seconds }: ScrubStep): void {
    this.#coverage = coverage;
    this.#passes = passes;
    if (seconds > 0) this.#rate = bytes / seconds;
    if (this.#now() - this.#drawnMs >= DRAW_INTERVAL_MS) this.draw();
  }

  completed(evidence: Evidence): void {
    this.#last = evidence;
    this.#lastMs = this.#now();
    this.draw();
  }

  draw(): void {
    if (this.#ended) return;
    const up = this.#lines > 1 ? `\u001B[${this.#lines - 1}A` : "";
    const room = columnsOf(this.#screen) - 1;
    const lines = this.#text().map((line) => line.slice(0, room));
    this.#screen.write(up + lines.map((line) => CLEAR_LINE + line).join("\n"));
    this.#lines = lines.length;
    this.#drawnMs = this.#now();
  }

  /** The last picture stays; what comes after begins on a line of its own. */
  end(): void {
    if (this.#ended) return;
    this.draw();
    this.#ended = true;
    this.#screen.write("\n");
  }

  #text(): string[] {
    const { device, id, sizeBytes } = this.#shard;
    const { verdict, placement, timing, accounting } = this.#last;
    const full = Math.round(this.#coverage * BAR_CELLS);
    const latency = timing.latency;
    return [
      `${visible(device.name, 40)} ${device.uuid} (${device.backend}), ${accounting.freeBytes === undefined ? "" : `${sizeText(accounting.freeBytes)} free of `}${sizeText(accounting.totalBytes)}`,
      `shard ${id}, ${sizeText(sizeBytes)}, ${placement.memoryType} memory, ${placement.access}`,
      `last    ${verdict.toUpperCase()} ${secondsText((this.#now() - this.#lastMs) / 1000)} ago${timing.residentFractionMin === undefined ? "" : `, at least ${percentText(timing.residentFractionMin)} resident`}${latency === undefined ? "" : `, ${latency.slowPagesCount} of ${count(latency.pages, "page")} slow`}`,
      `scrub   [${"#".repeat(full)}${"-".repeat(BAR_CELLS - full)}] ${percentText(this.#coverage)}  ${count(this.#passes, "pass", "passes")} in ${secondsText((this.#now() - this.#startedMs) / 1000)}, ${sizeText(this.#rate)}/s at ${percentText(this.#dutyCycle)} duty`,
      "Ctrl-C clears the memory and ends",
    ];
  }
}
