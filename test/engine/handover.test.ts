/**
 * A real engine is handed a real model while another process replaces, removes, cuts and rewrites the file at each moment of
 * the load. What it says tells which bytes it saw. `node scripts/gemma.mjs --attack 200` plays many more rounds, at random.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { generator } from "../fixtures/models.mjs";
import { FETCH_MS_MAX, fetched } from "../support/fetched.ts";
import { BYTE_ATTACKS, Campaign, NAME_ATTACKS, roundsAt, roundsInTurn } from "./attack/campaign.mjs";
import type { Round } from "./attack/campaign.mjs";

const SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
const ROUNDS_MS_MAX = 300_000;
/** Any will do; a run is told by it. */
const SEED = 4;

let opened: Campaign | { readonly reason: string };
const random = generator(SEED);

beforeAll(async () => {
  const [engine, model] = await Promise.all([fetched("engine-fixtures.mjs"), fetched("gemma.mjs")]);
  if ("reason" in engine || "reason" in model) opened = { reason: "reason" in engine ? engine.reason : "no model" };
  else opened = await Campaign.open(engine.path, model.path, SHA256);
}, FETCH_MS_MAX + ROUNDS_MS_MAX);

afterAll(() => {
  if ("reason" in opened) return;
  console.log(opened.table());
  opened.close();
});

function campaignOf(context: TestContext): Campaign {
  return "reason" in opened ? context.skip(opened.reason) : opened;
}

async function playAll(campaign: Campaign, rounds: readonly Round[]): Promise<void> {
  for (const round of rounds) {
    const { outcome, broken } = await campaign.play(round);
    expect(broken, `${JSON.stringify(round)}: ${outcome}`).toBe(false);
  }
}

const blow: Round = { attack: "rewrite", moment: "speaking", at: 0, guard: "pinned", useMmap: true };

describe("an engine that is handed a model under attack", () => {
  test("by the name that was verified, sees another file: the attack works", async (context) => {
    const round: Round = { ...blow, attack: "replace", moment: "verdict", byName: true };
    expect(await campaignOf(context).play(round)).toEqual({ outcome: "other bytes", broken: true });
  });

  test("as pinned, sees what is written into the file, and its host is told", async (context) => {
    expect(await campaignOf(context).play(blow)).toEqual({ outcome: "other bytes, break told", broken: false });
  });

  test("as pinned, sees the verified file, whatever becomes of its name", { timeout: ROUNDS_MS_MAX }, async (context) => {
    await playAll(campaignOf(context), roundsInTurn(NAME_ATTACKS, "pinned", random));
  });

  test("as leased, sees verified bytes or gets no model", { timeout: ROUNDS_MS_MAX }, async (context) => {
    const campaign = campaignOf(context);
    const { outcome } = await campaign.play({ ...blow, attack: undefined, guard: "leased" });
    if (outcome === "refused: GUARD_UNAVAILABLE") context.skip("no lease on the cache's file system");
    await playAll(campaign, roundsAt(BYTE_ATTACKS, "leased", random));
  });

  test("as sealed, sees verified bytes or gets no model", { timeout: ROUNDS_MS_MAX }, async (context) => {
    await playAll(campaignOf(context), roundsInTurn(BYTE_ATTACKS, "sealed", random));
  });
});
