/**
 * Signals that end a process run nothing on their way: no `exit` handler, no disposal. What was emitted is on disk all the same;
 * what is lost is the order of it: the closing records, and checkpoints that cover them. A host that wants these asks for them
 * here. A library must not do so unasked, because a listener takes the signal's default action away.
 */
import { toStandardError } from "./emergency.ts";
import { messageOf } from "./errors.ts";
import { escapeText } from "./escape.ts";

/** A log, or a loader, which has nothing of its own to flush. */
export interface Flushable extends Disposable {
  flushSync?(): void;
}

export type FlushSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

const SIGNALS: readonly FlushSignal[] = ["SIGTERM", "SIGINT", "SIGHUP"];

/**
 * Disposes `what` in this order (loaders before their log) when the process is told to end, then lets the signal end it, so that
 * its parent sees the true status. Where the host listens to the signal too, ending is the host's to do: then nothing is disposed
 * and only what can be flushed is. Returns how to take it back; disposing the return value does so too.
 */
export function installSignalFlush(what: readonly Flushable[], signals: readonly FlushSignal[] = SIGNALS): Disposable & (() => void) {
  const onSignal = (signal: NodeJS.Signals): void => {
    const alone = process.listenerCount(signal) === 1;
    for (const one of what) quietly(() => { if (alone) one[Symbol.dispose](); else one.flushSync?.(); });
    if (!alone) return;
    remove();
    process.kill(process.pid, signal);
  };
  const remove = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return Object.assign(remove, { [Symbol.dispose]: remove });
}

/** One that fails must not keep the others from their turn, nor the process from its end. */
function quietly(action: () => void): void {
  try {
    action();
  } catch (failure) {
    toStandardError(JSON.stringify({ emergency: "not disposed of in order", message: escapeText(messageOf(failure)) }));
  }
}
