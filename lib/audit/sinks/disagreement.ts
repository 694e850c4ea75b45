/** What the other side proves about this trail: it holds records that the trail does not have, or has otherwise. */
export type DisagreementReason = "LOCAL_SHORTER" | "LOCAL_FORKED";

export class Disagreement extends Error {
  readonly reason: DisagreementReason;
  /** The record that the other side holds. */
  readonly seq: number;

  constructor(reason: DisagreementReason, seq: number, message: string) {
    super(message);
    this.reason = reason;
    this.seq = seq;
  }
}
