/** One writer for one folder: an advisory lock that the kernel drops when its holder dies, however that happens. */
import { AuditWriteError, messageOf } from "./errors.ts";

export interface Held {
  release(): void;
}

/** Null where somebody else holds it. */
export type Lock = (path: string) => Held | null;

export function takeLock(lock: Lock, path: string, folder: string): Held {
  const held = attempt(lock, path, folder);
  if (held !== null) return held;
  throw new AuditWriteError("lock", `the audit folder ${folder} is in use by another process or another AuditLog; a folder has one writer`);
}

function attempt(lock: Lock, path: string, folder: string): Held | null {
  try {
    return lock(path);
  } catch (failure) {
    throw new AuditWriteError("lock", `the audit folder ${folder} cannot be locked: ${messageOf(failure)}`, failure);
  }
}
