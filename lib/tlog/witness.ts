/**
 * A C2SP witness, seen from the log: it is sent each new checkpoint with the proof that the tree only grew, and signs that it
 * saw it. After that nobody can show anybody another history of the log, not even with the log's key.
 */
import { peekCheckpoint } from "./checkpoint.ts";
import type { CosignatureVerifier } from "./cosignature.ts";
import { TlogError } from "./errors.ts";
import type { TlogErrorCode } from "./errors.ts";
import { parseNote, parseSignatureLine, verifiedOnes } from "./note.ts";
import type { NoteSignature } from "./note.ts";
import { consistencyProof } from "./proof.ts";
import { parseDecimal, quoted } from "./text.ts";
import { StoredTree } from "./tile-source.ts";
import type { TileSource } from "./tile-source.ts";

const TIMEOUT_MS = 10_000;
/** An answer is some signature lines or a number; a longer one is not read to its end. */
const ANSWER_BYTES_MAX = 65_536;
/** The witness may have moved on between its answer and our next try, when another process of ours asked too. */
const TRIES_MAX = 3;
const SIZE_TYPE = "text/x.tlog.size";

export interface WitnessOptions {
  /** The submission prefix, `https://witness.example/` or with a path. */
  readonly url: string | URL;
  /** Its cosignature keys; answers signed by nobody of these are refused. */
  readonly keys: readonly CosignatureVerifier[];
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const REFUSALS: Readonly<Record<number, readonly [TlogErrorCode, string]>> = {
  403: ["WITNESS_BAD_SIGNATURE", "does not accept this log's signature; give it the log's current verifier key"],
  404: ["WITNESS_UNKNOWN_LOG", "does not watch this log; ask its operator to add the origin and the verifier key"],
  422: ["WITNESS_BAD_PROOF", "was not convinced that the log only grew: it saw another history of this log than ours"],
};

export class Witness {
  readonly #endpoint: URL;
  readonly #keys: readonly CosignatureVerifier[];
  readonly #timeoutMs: number;
  readonly #fetch: typeof fetch;
  /** What it cosigned last, as far as we know. A wrong guess costs one request: it then tells us. */
  #size = 0;

  constructor({ url, keys, timeoutMs = TIMEOUT_MS, fetch: send = fetch }: WitnessOptions) {
    const prefix = String(url);
    this.#endpoint = new URL("add-checkpoint", prefix.endsWith("/") ? prefix : `${prefix}/`);
    this.#keys = keys;
    this.#timeoutMs = timeoutMs;
    this.#fetch = send;
  }

  /** Its cosignatures on this signed checkpoint, verified. `tiles` are those of the tree that the checkpoint names. */
  async cosign(checkpoint: string, tiles: TileSource, signal?: AbortSignal): Promise<readonly NoteSignature[]> {
    const { size } = peekCheckpoint(checkpoint);
    const tree = new StoredTree(tiles, size);
    // Asking with more than we have is forbidden; a smaller checkpoint than before gets the answer that it is behind.
    this.#size = Math.min(this.#size, size);
    for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
      const answer = await this.#ask(requestOf(this.#size, tree, checkpoint), signal);
      if (answer.status !== 409) return this.#accept(answer, checkpoint, size);
      this.#size = this.#sizeOf(answer, size);
    }
    throw this.#error("WITNESS_BAD_ANSWER", `still names another size after ${TRIES_MAX} requests; somebody else sends it checkpoints of this log`);
  }

  #accept(answer: Answer, checkpoint: string, size: number): NoteSignature[] {
    if (answer.status !== 200) throw this.#refusal(answer);
    const cosignatures = this.#verified(answer, parseNote(checkpoint).text);
    if (cosignatures.length === 0) throw this.#error("WITNESS_BAD_ANSWER", "answered without a cosignature by one of its known keys");
    this.#size = size;
    return cosignatures;
  }

  #verified({ body }: Answer, text: string): NoteSignature[] {
    try {
      if (!body.endsWith("\n")) throw new TlogError("MALFORMED", "the answer does not end with a newline");
      return verifiedOnes(text, body.slice(0, -1).split("\n").map(parseSignatureLine), this.#keys);
    } catch (failure) {
      throw this.#error("WITNESS_BAD_ANSWER", `answered with something else than cosignatures of this checkpoint: ${quoted(body)}`, failure);
    }
  }

  /** The size of a conflict, which tells where the proof has to begin. */
  #sizeOf({ body, type }: Answer, ours: number): number {
    const size = type.startsWith(SIZE_TYPE) && body.endsWith("\n") ? parseSize(body.slice(0, -1)) : undefined;
    if (size === undefined) throw this.#error("WITNESS_BAD_ANSWER", `reported a conflict without the size of its tree: ${quoted(body)}`);
    if (size > ours) throw this.#error("WITNESS_AHEAD", `has cosigned ${size} records of this log, and ours has ${ours}: it was cut, or somebody else signs in its name`);
    return size;
  }

  async #ask(body: string, signal: AbortSignal | undefined): Promise<Answer> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const ended = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const answer = await this.#answer(body, ended).catch((failure: unknown) => {
      signal?.throwIfAborted();
      if (timeout.aborted) throw this.#error("WITNESS_TIMEOUT", `did not answer within ${this.#timeoutMs} ms`, failure);
      throw this.#error("WITNESS_UNREACHABLE", `cannot be reached: ${causeOf(failure)}`, failure);
    });
    if (answer.body.length > ANSWER_BYTES_MAX) throw this.#error("WITNESS_BAD_ANSWER", `answered with more than ${ANSWER_BYTES_MAX} bytes`);
    return answer;
  }

  async #answer(body: string, signal: AbortSignal): Promise<Answer> {
    const headers = { "content-type": "text/plain; charset=utf-8" };
    const response = await this.#fetch(this.#endpoint, { method: "POST", body, redirect: "error", signal, headers });
    return { status: response.status, type: response.headers.get("content-type") ?? "", body: await shortBody(response) };
  }

  #refusal({ status, body }: Answer): TlogError {
    const [code, why] = REFUSALS[status] ?? ["WITNESS_BAD_ANSWER", `answered with status ${status}`];
    return this.#error(code, `${why} (${quoted(body.trim())})`);
  }

  #error(code: TlogErrorCode, what: string, cause?: unknown): TlogError {
    return new TlogError(code, `the witness ${this.#endpoint.host} ${what}`, cause);
  }
}

function requestOf(old: number, tree: StoredTree, checkpoint: string): string {
  const proof = consistencyProof(tree, old);
  return `old ${old}\n${proof.map((hash) => `${hash.toString("base64")}\n`).join("")}\n${checkpoint}`;
}

/** At most one part more than an answer may have. */
async function shortBody(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    parts.push(part as Uint8Array);
    length += (part as Uint8Array).length;
    // Leaving the loop cancels the stream.
    if (length > ANSWER_BYTES_MAX) break;
  }
  return Buffer.concat(parts).toString("utf8");
}

function parseSize(text: string): number | undefined {
  try {
    return parseDecimal(text, "the witness's size");
  } catch {
    return undefined;
  }
}

/** Fetch hides what happened in the cause of its error. */
function causeOf(failure: unknown): string {
  const cause = failure instanceof Error ? (failure.cause ?? failure) : failure;
  return cause instanceof Error ? cause.message : String(cause);
}
