/**
 * Names of segments: `<first sequence number, 20 digits>.jsonl`. Where a segment failed before anything of it was durable,
 * its successor starts at the same number and is called `<number>.<attempt>.jsonl`.
 */

export interface SegmentName {
  readonly name: string;
  readonly first: number;
  readonly attempt: number;
}

const NAME = /^(\d{20})(?:\.([1-9]\d{0,8}))?\.jsonl$/;

export function segmentName(first: number, attempt: number): string {
  const digits = String(first).padStart(20, "0");
  return attempt === 0 ? `${digits}.jsonl` : `${digits}.${attempt}.jsonl`;
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const [, digits, attempt] = NAME.exec(name) ?? [];
  const first = Number(digits);
  return Number.isSafeInteger(first) ? { name, first, attempt: Number(attempt ?? 0) } : undefined;
}

/** The order in which they were written. */
export function bySequence(a: SegmentName, b: SegmentName): number {
  return a.first - b.first || a.attempt - b.attempt;
}
