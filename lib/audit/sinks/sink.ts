/**
 * A place beyond this machine that gets the trail's records once they are durable here. What happens to it never reaches a load:
 * the local trail decides, a sink follows.
 */
import type { AuditEvent } from "../events.ts";
import type { Follower } from "../follower.ts";
import type { SinkMeter } from "./metrics.ts";

export interface AuditSink {
  /** Stands in metrics, records and file names. */
  readonly name: string;
  /** Loads what the sink needs; called once, before the trail is touched. Rejects where a package is missing. */
  prepare(): Promise<MakeFollower>;
}

export type MakeFollower = (trail: SinkTrail) => SinkFollower;

export interface SinkFollower extends Follower {
  /** False once the other side proved that this trail was rolled back or forked. */
  readonly sound: boolean;
}

/** What a sink gets to know of the trail that it follows. */
export interface SinkTrail {
  readonly dir: string;
  readonly origin: string;
  readonly meter: SinkMeter;
  /** Records something about the sink; does nothing once the trail is closed. */
  readonly record: (event: AuditEvent) => void;
  readonly warn: (failure: unknown, message: string) => void;
}

const NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** @throws TypeError where the name would not do as a metric's label and a file's name */
export function sinkName(name: unknown): string {
  if (typeof name === "string" && NAME.test(name)) return name;
  throw new TypeError("a sink's name must be 1 to 32 lower-case letters, digits and hyphens, beginning with a letter");
}

/** @throws TypeError where two sinks would share a label and a cursor */
export function judgeSinks(sinks: readonly AuditSink[] = []): readonly AuditSink[] {
  if (!(sinks instanceof Array)) throw new TypeError("sinks must be a list, such as [natsSink({ … })]");
  const names = sinks.map(({ name }) => sinkName(name));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new TypeError(`two sinks are named ${twice}; give each a name of its own`);
  return sinks;
}

/** @throws TypeError that names the option */
export function wholeOption(value: unknown, option: string, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new TypeError(`${option} must be a whole number from ${min} to ${max}`);
}

/** An optional package, or an error that says how to get it. */
export async function optionalPackage<T>(load: () => Promise<T>, name: string, sink: string): Promise<T> {
  try {
    return await load();
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw failure;
    throw new Error(`the ${sink} sink needs the package ${name}, which is not installed; run: npm install ${name}`, { cause: failure });
  }
}
