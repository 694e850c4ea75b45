/**
 * The last moment of a process or worker: every log that is still open is closed in order. The set holds the logs strongly, so
 * that one which nobody refers to any more is not collected before it is flushed.
 */

export type AtExit = () => void;

const actions = new Set<AtExit>();

export function beforeExit(action: AtExit): void {
  // One listener for all logs: Node warns from the eleventh on.
  if (actions.size === 0) process.on("exit", runAll);
  actions.add(action);
}

export function notBeforeExit(action: AtExit): void {
  actions.delete(action);
  if (actions.size === 0) process.off("exit", runAll);
}

function runAll(): void {
  for (const action of [...actions]) action();
}
