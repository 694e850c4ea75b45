/** A system call that failed in native code, as the error that Node's own calls throw. */
import { getSystemErrorName } from "node:util";
import type { NativeSystemFailure } from "./native.ts";

export function systemError({ errno, message }: NativeSystemFailure): NodeJS.ErrnoException {
  const code = errno === undefined ? "EIO" : getSystemErrorName(-errno);
  return Object.assign(new Error(`${code}: ${message}`), { code, ...(errno === undefined ? {} : { errno: -errno }) });
}
