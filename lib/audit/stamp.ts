/** When an event happened and to whom, as JSON: what a record has between its number and its type. */
import type { Timekeeper } from "./clock.ts";
import { uuidv7 } from "./uuid.ts";

export class Stamps {
  readonly #time: Timekeeper;
  readonly #end: string;
  #second = NaN;
  /** Up to the digits below a second of UTC. */
  #toSecond = "";
  #monoSecond = NaN;
  /** From there to the digits below a second of the monotonic clock. */
  #toMonoSecond = "";

  /** `identity`: what does not change while the process lives, as {@link identityJson} makes it. */
  constructor(time: Timekeeper, identity: string) {
    this.#time = time;
    this.#end = `",${identity}`;
  }

  /** `,"id":…,"time":…,"mono":…` of this moment, and the identity. */
  next(): string {
    const { unixMs, subMs, seconds, nanos } = this.#time.now();
    const second = Math.floor(unixMs / 1000);
    if (second !== this.#second) this.#beginSecond(second);
    if (seconds !== this.#monoSecond) this.#beginMonoSecond(seconds);
    const fraction = nineDigits((unixMs - second * 1000) * 1e6 + subMs);
    return `,"id":"${uuidv7(unixMs, subMs)}${this.#toSecond}${fraction}${this.#toMonoSecond}${nineDigits(nanos)}${this.#end}`;
  }

  /** RFC 3339 with nine digits; the part above them is made once a second. */
  #beginSecond(second: number): void {
    this.#second = second;
    this.#toSecond = `","time":"${new Date(second * 1000).toISOString().slice(0, -4)}`;
  }

  #beginMonoSecond(seconds: number): void {
    this.#monoSecond = seconds;
    this.#toMonoSecond = `Z","mono":"${seconds}`;
  }
}

function nineDigits(nanos: number): string {
  return String(1e9 + nanos).slice(1);
}
