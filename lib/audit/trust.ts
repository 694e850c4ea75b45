/** Whose signatures count: verifier keys that an auditor brings, or those that lie in the trail's folder. */
import { join } from "node:path";
import { CosignatureVerifier } from "../tlog/cosignature.ts";
import { TlogError } from "../tlog/errors.ts";
import { NoteVerifier } from "../tlog/signer.ts";
import { NODE_TLOG_FS, readFileIfAny } from "../tlog/tlog-fs.ts";

export interface LogKeys {
  /** The log that they sign for: all have its name. */
  readonly name: string;
  readonly verifiers: readonly NoteVerifier[];
}

/** @throws TlogError where one of them is no log's key, or they are of several logs */
export function logKeys(vkeys: readonly string[]): LogKeys {
  const verifiers = vkeys.map((vkey) => new NoteVerifier(vkey));
  const [first, ...more] = verifiers;
  if (first === undefined) throw new TlogError("BAD_KEY", "there is no verifier key");
  const other = more.find(({ name }) => name !== first.name);
  if (other !== undefined) throw new TlogError("BAD_KEY", `the verifier keys are of two logs, ${first.name} and ${other.name}`);
  return { name: first.name, verifiers };
}

/** @throws TlogError where one of them is no witness's key */
export function witnessKeys(vkeys: readonly string[]): readonly CosignatureVerifier[] {
  return vkeys.map((vkey) => new CosignatureVerifier(vkey));
}

/** The lines of the folder's own `vkey`; undefined where it has none. */
export function vkeysIn(folder: string): string[] | undefined {
  const text = readFileIfAny(NODE_TLOG_FS, join(folder, "vkey"))?.toString("utf8");
  return text?.split("\n").filter((line) => line !== "");
}

export function noteIn(folder: string): string | undefined {
  return readFileIfAny(NODE_TLOG_FS, join(folder, "checkpoint"))?.toString("utf8");
}
