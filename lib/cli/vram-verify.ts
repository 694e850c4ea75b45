/** `model-loader vram verify`: seals a model, looks at the seal as thoroughly as asked, and frees it. */
import { randomBytes } from "node:crypto";
import type { Evidence } from "../vram/evidence.ts";
import type { Shard } from "../vram/shard.ts";
import { EXIT } from "./exit.ts";
import { Interrupt } from "./interrupt.ts";
import { Output } from "./output.ts";
import { parseVerifyCommand } from "./vram-ask.ts";
import type { CheckAsk } from "./vram-ask.ts";
import { evidenceObject, evidenceText } from "./vram-report.ts";
import { nameText } from "./verdict-report.ts";
import { withShard } from "./vram-session.ts";

const NONCE_BYTES = 32;

/** @throws UsageError */
export async function verify(args: readonly string[]): Promise<number> {
  const ask = parseVerifyCommand(args);
  using interrupt = new Interrupt();
  const output = new Output(ask.json, interrupt);
  return await withShard(ask, output, interrupt, async (shard) => {
    const evidence = await checked(shard, ask.check, interrupt.signal);
    output.result(evidenceObject(ask.name, shard.id, evidence), () => [`checked  ${nameText(ask.name)}`, ...evidenceText(evidence)].join("\n"));
    return exitOfEvidence(evidence);
  });
}

async function checked(shard: Shard, check: CheckAsk, signal: AbortSignal): Promise<Evidence> {
  if (check.level === "challenge") return shard.challenge(check.nonce ?? randomBytes(NONCE_BYTES), { signal });
  return shard.verify({ ...check, signal });
}

/** What could not be shown was not verified, and was not refused either. */
export function exitOfEvidence({ verdict }: Evidence): number {
  if (verdict === "not-resident") return EXIT.REFUSED;
  return verdict === "inconclusive" ? EXIT.IO : EXIT.VERIFIED;
}
