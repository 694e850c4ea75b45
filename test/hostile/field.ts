/** The ground of an attack: a loader over root/m.gguf, and an evil twin of that model inside the root and outside it, beside a copy of the good one. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import { string, writeGguf } from "../fixtures/gguf-writer.mjs";

export interface Ground {
  /** Two by default: while one is read, the other may change. */
  readonly pages?: number;
  /** Where the folder is made; among the temporary files by default. */
  readonly within?: string;
  /** With a key, full verifications are recorded in `state`. */
  readonly recordKey?: Buffer;
  /** Inodes are recognised by their records, without reading. */
  readonly identity?: boolean;
}

export interface Field {
  readonly loader: ModelLoader;
  /** A path in the ground: root/…, outside/…, state/… */
  readonly at: (name: string) => string;
  readonly good: Buffer;
  readonly goodSha256: string;
  readonly evil: Buffer;
  readonly evilSha256: string;
}

const PAGE_BYTES = 4096;

/** Gone when the test is. */
export async function field({ pages = 2, within = tmpdir(), recordKey, identity = false }: Ground = {}): Promise<Field> {
  const home = mkdtempSync(join(within, "hostile-"));
  const at = (name: string): string => join(home, name);
  for (const name of ["root", "outside"]) mkdirSync(at(name));
  const [good, evil] = [model(1, pages), model(2, pages)];
  for (const name of ["root/m.gguf", "outside/good.gguf"]) writeFileSync(at(name), good);
  for (const name of ["root/evil.gguf", "outside/evil.gguf"]) writeFileSync(at(name), evil);
  const records = recordKey && { folder: at("state"), key: recordKey, identity };
  const loader = await ModelLoader.open({ root: at("root"), audit: "disabled", records });
  onTestFinished(async () => {
    await loader[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });
  return { loader, at, good, goodSha256: sha256(good), evil, evilSha256: sha256(evil) };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Well-formed, of an architecture that no engine knows; the weights are all `fill`. */
function model(fill: number, pages: number): Buffer {
  const weights = { name: "weights", type: "i8", shape: [pages * PAGE_BYTES], data: Buffer.alloc(pages * PAGE_BYTES, fill) } as const;
  return writeGguf({ metadata: [["general.architecture", string("besieged")]], tensors: [weights] }).bytes();
}
