/** What a check found: printed line by line as it comes, and kept in a file that is whole at every moment. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { tallyLine } from "../tally.mjs";
import { quantity } from "./text.mjs";

const MARK_WIDTH = 8;
const NAME_WIDTH = 44;

export class Report {
  #tally = { passed: 0, failed: 0, skipped: 0 };
  #figures = { at: new Date().toISOString(), node: process.version, goals: [], measured: [], checks: [] };
  /** Where the figures are kept; nowhere while it is not known. */
  file;

  get figures() {
    return this.#figures;
  }

  get failed() {
    return this.#tally.failed > 0;
  }

  /** One message of a step. */
  take(message) {
    const { kind, ...said } = message;
    this.#takers[kind](said);
    this.save();
  }

  #takers = {
    /** A matter of right or wrong. */
    check: ({ name, good, text }) => {
      this.#tally[good ? "passed" : "failed"] += 1;
      this.#figures.checks.push({ name, outcome: good ? "passed" : "failed", text });
      this.#row(good ? "ok" : "FAILED", name, text);
    },
    skip: ({ name, text }) => {
      this.#tally.skipped += 1;
      this.#figures.checks.push({ name, outcome: "skipped", text });
      this.#row("skipped", name, text);
    },
    /** A speed to reach. Missing it is told, and is no fault. */
    goal: ({ name, met, text }) => {
      this.#figures.goals.push({ name, met, text });
      this.#row(met ? "met" : "MISSED", name, text);
    },
    /** A quantity beside what was predicted of it. */
    measured: ({ name, value, unit, predicted }) => {
      this.#figures.measured.push({ name, value, unit, ...(predicted === undefined ? {} : { predicted }) });
      this.#row("", name, `${quantity(value, unit)}${predictedText(predicted, unit)}`);
    },
    /** A fact of its own, under a name; with `more`, one of several. */
    figure: ({ name, value, more }) => {
      if (more === true) (this.#figures[name] ??= []).push(value);
      else this.#figures[name] = value;
    },
    row: ({ name, text }) => { this.#row("", name, text); },
  };

  #row(mark, name, text) {
    console.log(`${mark.padEnd(MARK_WIDTH)}${name.padEnd(NAME_WIDTH)} ${text}`);
  }

  /** By another name first: who looks sees the old figures or the new ones. */
  save() {
    if (this.file === undefined) return;
    mkdirSync(dirname(this.file), { recursive: true });
    writeFileSync(`${this.file}.new`, `${this.#text()}\n`);
    renameSync(`${this.file}.new`, this.file);
  }

  #text() {
    return JSON.stringify({ ...this.#figures, ...this.#tally });
  }

  /** @returns {number} the exit code */
  end() {
    this.save();
    const { goals, device } = this.#figures;
    if (device !== undefined) console.log(this.file === undefined ? this.#text() : `figures: ${this.file}`);
    const missed = goals.filter(({ met }) => !met);
    if (goals.length > 0) console.log(`goals: ${goals.length - missed.length} met, ${missed.length} missed${missed.map(({ name }) => `; ${name}`).join("")}`);
    console.log(tallyLine(this.#tally));
    return this.failed ? 1 : 0;
  }
}

function predictedText(predicted, unit) {
  if (predicted === undefined) return "";
  const [least, most] = predicted.map((value) => quantity(value, unit));
  return ` (predicted ${least === most ? least : `${least} to ${most}`})`;
}
