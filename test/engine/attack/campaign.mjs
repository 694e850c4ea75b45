/** Rounds of attacks on the hand-over of one model to one engine: what is played, what it comes to, and the count. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setStage } from "./stage.mjs";

/** In the order of a load. A blow falls before it, within it, or between two of its steps. */
const MOMENTS = ["before", "reading", "verdict", "engine opens", "engine reads", "loaded", "speaking"];
/** On the model's name, which no guard minds; on its bytes, which only some guards keep. */
export const NAME_ATTACKS = ["replace", "unlink"];
export const BYTE_ATTACKS = ["truncate", "rewrite"];
const GUARDS = ["pinned", "leased", "sealed"];

const REFUSALS = new Set(["CHANGED_WHILE_READ", "DIGEST_MISMATCH", "GUARD_UNAVAILABLE", "NOT_FOUND"]);
const BEFORE_THE_VERDICT = new Set(["before", "reading"]);
const HOST = fileURLToPath(new URL("host.mjs", import.meta.url));
const ANSWER_MS_MAX = 120_000;

/** So many rounds at random, over everything. */
export function anyRounds(count, random) {
  const oneOf = (list) => list[random() % list.length];
  const attacks = [...NAME_ATTACKS, ...BYTE_ATTACKS];
  return Array.from({ length: count }, () => roundOf(oneOf(attacks), oneOf(MOMENTS), oneOf(GUARDS), random));
}

/** Each of the attacks at each moment, under that guard. */
export function roundsAt(attacks, guard, random) {
  return MOMENTS.flatMap((moment) => attacks.map((attack) => roundOf(attack, moment, guard, random)));
}

/** One of the attacks at each moment, in turn. */
export function roundsInTurn(attacks, guard, random) {
  return MOMENTS.map((moment, index) => roundOf(attacks[index % attacks.length], moment, guard, random));
}

function roundOf(attack, moment, guard, random) {
  return { attack, moment, guard, useMmap: random() % 3 !== 0, at: random() / 2 ** 32 };
}

/** A host under attack; it is started again where an attack ends it. */
export class Campaign {
  #entry;
  #stage;
  #host;
  /** What the engine says of the good model. */
  #good;
  #counts = new Map();

  constructor(entry, stage) {
    this.#entry = entry;
    this.#stage = stage;
  }

  static async open(entry, pristine, sha256) {
    const campaign = new Campaign(entry, await setStage(pristine, sha256));
    try {
      await campaign.#rehearse();
    } catch (failure) {
      campaign.close();
      throw failure;
    }
    return campaign;
  }

  /** An engine that says the same of the twin would prove nothing. */
  async #rehearse() {
    const good = await this.#ask({ say: this.#stage.pristine });
    const evil = await this.#ask({ say: this.#stage.poison });
    if (good.said === undefined || evil.said === undefined || good.said === evil.said) {
      throw new Error(`the engine does not tell the models apart: ${JSON.stringify([good, evil])}`);
    }
    this.#good = good.said;
  }

  async play(round) {
    const result = await this.#ask(round);
    const judgement = judged(round, result, this.#good);
    const row = rowOf(round, result.fell ?? round.moment, judgement);
    this.#counts.set(row, (this.#counts.get(row) ?? 0) + 1);
    return judgement;
  }

  table() {
    const rank = (row) => `${row.slice(0, 18)}${MOMENTS.findIndex((moment) => row.includes(`  ${moment} `))}`;
    const rows = [...this.#counts].sort(([a], [b]) => rank(a).localeCompare(rank(b)));
    return rows.map(([row, count]) => `${String(count).padStart(5)}  ${row}`).join("\n");
  }

  close() {
    this.#host?.kill("SIGKILL");
    this.#stage[Symbol.dispose]();
  }

  async #ask(order) {
    this.#host ??= await started(this.#entry, this.#stage);
    const host = this.#host;
    const answer = await answered(host, () => host.send(order));
    if (answer.died !== undefined) this.#host = undefined;
    return answer;
  }
}

function rowOf({ byName, guard, attack = "nothing" }, fell, { outcome, broken }) {
  const promise = byName ? "none" : guard;
  return `${promise.padEnd(6)}  ${attack.padEnd(8)}  ${fell.padEnd(12)}  ${broken && !byName ? "BROKEN: " : ""}${outcome}`;
}

/** What a round came to, in words, and whether the gate broke its word. */
function judged(round, result, good) {
  const bytesMayChange = round.guard === "pinned" && BYTE_ATTACKS.includes(round.attack);
  if (result.died !== undefined) return { outcome: `the engine ${result.died}`, broken: !bytesMayChange };
  if (result.refused !== undefined) {
    return { outcome: `refused: ${result.refused}`, broken: !REFUSALS.has(result.refused) || !BEFORE_THE_VERDICT.has(result.fell) };
  }
  const same = result.said === good && result.intact;
  const warned = result.told || result.promised === "pinned";
  const outcome = `${same ? "verified bytes" : "other bytes"}${result.told ? ", break told" : warned ? ", pinned all along" : ""}`;
  // A writer that was kept waiting must have been told of.
  const concealed = result.promised === "leased" && result.heldOff && !result.told;
  return { outcome, broken: concealed || !(same || (bytesMayChange && warned)) };
}

async function started(entry, stage) {
  const host = fork(HOST, [entry, JSON.stringify(stage)]);
  const answer = await answered(host, () => undefined);
  if (answer.died !== undefined) throw new Error(`the host ${answer.died} before the first round`);
  return host;
}

/** The host's next message, or how it died. */
function answered(host, order) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => { settle({ died: "hung" }); host.kill("SIGKILL"); }, ANSWER_MS_MAX);
    const died = (code, signal) => { settle({ died: signal === null ? `ended with ${code}` : `died of ${signal}` }); };
    const settle = (answer) => {
      clearTimeout(timer);
      host.off("message", settle).off("exit", died);
      resolve(answer);
    };
    host.on("message", settle).on("exit", died);
    order();
  });
}
