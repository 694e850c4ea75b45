/** What a host does while it is attacked, and what came of it in a word or two. */
import { readFileSync } from "node:fs";
import { ModelLoadError } from "../../lib/index.ts";
import type { CallOptions, Model } from "../../lib/index.ts";
import { sha256 } from "./field.ts";
import type { Field } from "./field.ts";

export type Look = () => Promise<string>;

/** Loads root/PATH and reads the model to its end, as an engine does. */
export function loading(field: Field, path: string, options: CallOptions = {}): Look {
  return () => outcome(async () => {
    await using model = await field.loader.load(path, options);
    return used(model, field);
  });
}

/** Whether the guard still stands is asked when all has been read. */
function used(model: Model, field: Field): string {
  const found = sha256(readFileSync(model.path));
  const proof = model.proof.by === "sha256" ? "" : `, by ${model.proof.by}`;
  if (found !== model.sha256) return `${model.guard}, not what was verified${proof}`;
  return `${model.guard}, ${found === field.goodSha256 ? "the model" : "another model, as verified"}${proof}`;
}

/** Reads the whole model through its tiles. */
export function reading(model: Model, field: Field): Look {
  return () => outcome(async () => ((await model.read(0, model.sizeBytes)).equals(field.good) ? "the model" : "other bytes"));
}

/** The header only, which is never promised to be anything. */
export function inspecting(field: Field, path: string): Look {
  return () => outcome(async () => {
    await field.loader.inspect(path);
    return "a header";
  });
}

async function outcome(look: Look): Promise<string> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof ModelLoadError) return error.code;
    throw error;
  }
}

/**
 * What hosts do without the gate: verify a path, then open it again. The first call verifies; the second, which comes when
 * some looks have passed, opens it, and is true when the attack has fooled it.
 */
export type Naive = () => () => boolean;

export function naive(field: Field, path: string): Naive {
  const name = field.at(`root/${path}`);
  return () => {
    const verified = read(name);
    return () => {
      const used = read(name);
      return verified === field.goodSha256 && used !== undefined && used !== verified;
    };
  };
}

/** Its name may be gone for a moment, or lead nowhere. */
function read(path: string): string | undefined {
  try {
    return sha256(readFileSync(path));
  } catch {
    return undefined;
  }
}
