/** The end of a server that was started in a process group of its own (`detached`). */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** SIGKILL to all of it: nothing is written any more. Resolves when the child is gone, at once where it was gone before. */
export async function endGroup(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  process.kill(-child.pid, "SIGKILL");
  await exit;
}
