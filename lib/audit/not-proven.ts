/** What a verified trail does not prove, in sentences that are true of what was given to the check. */
import type { SignedHead } from "./signed-head.ts";

const ELSEWHERE = "such as the metric model_loader_audit_log_size";

/** `size`: records in the trail. */
export function notProven(size: number, head: SignedHead): string[] {
  return head.checkpoint === undefined ? withoutCheckpoint(size) : withCheckpoint(size, head.checkpoint.size, head);
}

function withoutCheckpoint(size: number): string[] {
  const last = size - 1;
  return [
    `That nothing is missing after record ${last}, and that record ${last} itself is as it was written: files alone cannot show a cut ` +
      `end. Compare ${size} records and the head hash with a value kept elsewhere, ${ELSEWHERE}.`,
    "That the whole trail was not written anew by someone who can write the folder: a chain has no secret, and there is no signed checkpoint.",
  ];
}

function withCheckpoint(size: number, signed: number, { report, since }: SignedHead): string[] {
  const last = size - 1;
  const witnessed = report?.witnessed.length ?? 0;
  const kept = since === undefined ? "" : ` after record ${since.size - 1}, up to which it continues the earlier checkpoint`;
  return [
    size > signed
      ? `That nothing is missing after record ${last}, and that record ${last} itself is as it was written: the checkpoint covers ${signed} records, and the ${size - signed} after them are held by the chain alone.`
      : `That the trail did not go on after record ${last} and was then put back together with its checkpoint: compare ${size} records with a value kept elsewhere, ${ELSEWHERE}.`,
    ...(report?.keysFrom === "folder"
      ? ["That the checkpoint was signed by the host that it names: the verifier key came from the trail's own folder. Give the key that you noted elsewhere."] : []),
    ...(witnessed === 0
      ? [`That the holder of the signing key did not write the trail anew and sign it again${kept}: only a witness, or a checkpoint kept elsewhere, shows that.`] : []),
  ];
}
