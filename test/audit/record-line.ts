/** The line that the writer makes of an event, without its newline. */
import { SYSTEM_CLOCK, Timekeeper } from "../../lib/audit/clock.ts";
import type { AuditClock } from "../../lib/audit/clock.ts";
import { identityJson } from "../../lib/audit/identity.ts";
import { chained } from "../../lib/audit/line.ts";
import { draftOf, linePrefix } from "../../lib/audit/record.ts";
import type { Frame } from "../../lib/audit/record.ts";
import { Stamps } from "../../lib/audit/stamp.ts";
import { native } from "../../lib/native.ts";

export const PREV: string = "ab".repeat(32);

export interface LineOptions {
  readonly seq?: number;
  readonly identity?: string;
  readonly clock?: AuditClock;
  readonly unreadable?: Frame["unreadable"];
}

export function lineOf(event: unknown, { seq = 7, identity = identityJson(), clock = SYSTEM_CLOCK, unreadable = () => undefined }: LineOptions = {}): string {
  const prefix = linePrefix("host/model-loader/test");
  const draft = draftOf(event, { prefix, stamps: new Stamps(new Timekeeper(clock), identity), unreadable });
  const { bytes } = chained([{ draft }], seq, PREV, { prefix, link: (lines, previous) => native.linkLines(lines, previous) });
  return bytes.toString("latin1").trimEnd();
}
