/** The stream that keeps the records: made so that nobody can take one back, and judged where it exists already. */
import type { JetStreamManager, StreamConfig, StreamInfo } from "@nats-io/jetstream";

export interface StreamWish {
  readonly name: string;
  readonly subjects: string;
  readonly create: boolean;
  readonly replicas: number;
}

/** The server remembers message ids for this long. Older doubles are kept out by the sequence that each message expects. */
const DUPLICATE_WINDOW_NS = 2 * 60 * 1e9;

type Problem = readonly [holds: (config: StreamConfig) => boolean, what: string];

/** In each of these a record that was acknowledged can be taken away again. */
const PROBLEMS: readonly Problem[] = [
  [(config) => !config.deny_delete, "messages can be deleted (deny_delete is off)"],
  [(config) => !config.deny_purge, "it can be purged (deny_purge is off)"],
  [(config) => config.allow_rollup_hdrs, "a message can replace all before it (allow_rollup_hdrs is on)"],
  [(config) => config.storage !== ("file" as StreamConfig["storage"]), "it is kept in memory (storage is not file)"],
  [(config) => config.retention !== ("limits" as StreamConfig["retention"]), `messages go when they are read (retention is not limits)`],
  [(config) => config.max_msgs_per_subject > 0, "each subject keeps its newest messages only (max_msgs_per_subject)"],
  [(config) => (config.max_msgs > 0 || config.max_bytes > 0) && config.discard !== ("new" as StreamConfig["discard"]),
    "old messages make room for new ones (discard is not new)"],
];

export function problemsOf(config: StreamConfig): string[] {
  return PROBLEMS.filter(([holds]) => holds(config)).map(([, what]) => what);
}

export async function streamFor(manager: JetStreamManager, wish: StreamWish, notFound: (failure: unknown) => boolean): Promise<StreamInfo> {
  try {
    return await manager.streams.info(wish.name);
  } catch (failure) {
    if (!notFound(failure)) throw failure;
    if (!wish.create) throw new Error(`the NATS server has no stream ${wish.name}; make it, or set createStream`, { cause: failure });
  }
  return manager.streams.add({
    name: wish.name,
    subjects: [wish.subjects],
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: wish.replicas,
    duplicate_window: DUPLICATE_WINDOW_NS,
    deny_delete: true,
    deny_purge: true,
  });
}
