/** A field of text as JSON. Most say the same as in the record before: such text is not judged, escaped and put together again. */
import { textOrDescription } from "./describe.ts";

export class TextField {
  readonly #name: string;
  readonly #max: number;
  #last: string | undefined;
  /** Made when the same text comes a second time: of text that never returns nothing is kept but itself. */
  #json: string | undefined;

  /** `name` with all that stands before the value; `max` characters of JSON for that. */
  constructor(name: string, max: number) {
    this.#name = name;
    this.#max = max;
  }

  /** Name and value; nothing where there is none. */
  json(value: unknown): string {
    if (value === undefined) return "";
    if (typeof value !== "string" || value.length > this.#max) return this.#made(value);
    if (value === this.#last) return (this.#json ??= inOnePiece(this.#made(value)));
    this.#last = value;
    this.#json = undefined;
    return this.#made(value);
  }

  #made(value: unknown): string {
    return this.#name + textOrDescription(value, this.#max);
  }
}

/** Engines keep what was put together as a tree of its parts, which would be walked for each record. */
function inOnePiece(ascii: string): string {
  return Buffer.from(ascii, "latin1").toString("latin1");
}
