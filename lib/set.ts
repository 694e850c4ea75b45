/** A split model behind the face of one: what its parts say together, and one hold on all of them. */
import type { SetDetails } from "./audit/event-details.ts";
import type { GuardName } from "./guard.ts";
import { GgufView } from "./gguf-view.ts";
import { GUARDS } from "./guard.ts";
import type { NativeControl, NativeGguf, NativeLinks, NativeModel, NativeRecordNotes, NativeRefusal, NativeSetVerdict, NativeVerdict, NativeWindow } from "./native.ts";
import type { NativeSealedSet } from "./vram/native.ts";

/** Digests in one detail of a record, and such details in a record. */
const DIGESTS_A_DETAIL = 7;
const DIGEST_DETAILS = ["partDigests1", "partDigests2", "partDigests3", "partDigests4", "partDigests5", "partDigests6"] as const;

/** A verdict on a whole model: of one file, or of a set with its parts. */
export interface WholeVerdict extends NativeVerdict {
  readonly parts?: readonly NativeVerdict[];
  readonly links?: NativeLinks;
}

/** A split model's verdict, and what became of its seal. */
export interface WholeSealed extends WholeVerdict, Pick<NativeSealedSet, "failure" | "shard" | "evidence" | "seals" | "seconds"> {
  readonly parts?: readonly NativeVerdict[];
}

/** The verdict on the whole that the parts make. */
export function wholeVerdict(set: NativeSetVerdict): WholeVerdict {
  const { parts, links, sha256 } = set;
  if (parts === undefined || links === undefined || sha256 === undefined) return refusedOf(set);
  return { ...wholeOf(parts, sha256), links, model: new SetHold(parts.flatMap(({ model }) => model ?? []), links) };
}

/** The same of a set that was to be sealed. */
export function wholeSealed({ parts, sha256, refusal, records, ...seal }: NativeSealedSet): WholeSealed {
  return { ...(parts === undefined || sha256 === undefined ? refusedOf({ refusal, records }) : wholeOf(parts, sha256)), ...seal };
}

function refusedOf({ refusal, records }: { readonly refusal?: NativeRefusal | undefined; readonly records?: NativeRecordNotes | undefined }): WholeVerdict {
  return { ...(refusal === undefined ? {} : { refusal }), ...(records === undefined ? {} : { records }) };
}

function wholeOf(parts: readonly NativeVerdict[], sha256: string): WholeVerdict {
  const [first] = parts;
  const tiles = parts.map(({ proof }) => proof).filter((proof) => proof?.by === "tiles");
  const ignored = parts.find((part) => part.records?.ignoredReason !== undefined) ?? parts.find((part) => part.records?.storeFailure !== undefined);
  return {
    parts, sha256,
    ...(first?.gguf === undefined ? {} : { gguf: first.gguf }),
    facts: { sizeBytes: parts.reduce((sum, { facts }) => sum + (facts?.sizeBytes ?? 0), 0) },
    proof: tiles.length < parts.length ? { by: "sha256" } : (tiles[0] ?? { by: "sha256" }),
    ...shortfall(parts),
    records: ignored?.records ?? { stored: parts.some((part) => part.records?.stored === true) },
  };
}

/** What the header of the first part says, with the tensors of all. */
export function headerOf(gguf: NativeGguf, { parts }: WholeVerdict): GgufView {
  const [, ...later] = parts ?? [];
  return new GgufView(gguf, later.flatMap((part) => part.gguf ?? []));
}

function shortfall(parts: readonly NativeVerdict[]): { guardShortfall?: string } {
  const reasons = parts.flatMap(({ guardShortfall }, index) => (guardShortfall === undefined ? [] : [`part ${index + 1}: ${guardShortfall}`]));
  return reasons.length === 0 ? {} : { guardShortfall: reasons.join("; ") };
}

/** What the trail says of the parts. Digests that have no room are vouched for by the set's own, which is made of all of them. */
export function setDetails({ parts }: WholeVerdict): SetDetails {
  if (parts === undefined) return {};
  const digests = parts.map(({ sha256 = "" }) => sha256);
  const rows = DIGEST_DETAILS.map((name, row) => [name, digests.slice(row * DIGESTS_A_DETAIL, (row + 1) * DIGESTS_A_DETAIL).join(" ")] as const);
  const guards = parts.map(({ model }) => model?.guard() ?? "");
  const equal = new Set(guards).size === 1;
  return {
    parts: parts.length,
    partGuards: equal ? undefined : guards.join(" "),
    ...Object.fromEntries(rows.filter(([, text]) => text !== "")),
  };
}

/** All parts of a set, held and let go together. */
class SetHold implements NativeModel {
  readonly #parts: readonly NativeModel[];
  readonly #links: NativeLinks;

  constructor(parts: readonly NativeModel[], links: NativeLinks) {
    this.#parts = parts;
    this.#links = links;
  }

  /** The first part's. */
  fd(): number {
    const [first] = this.#parts;
    if (first === undefined) throw new Error("the set has no parts");
    return first.fd();
  }

  /** The weakest of all: an engine reads every part. */
  guard(): GuardName {
    const guards = new Set(this.#parts.map((part) => part.guard()));
    return GUARDS.find((guard) => guards.has(guard)) ?? "pinned";
  }

  /** Only where the whole was guarded better: a part that was pinned from the start is no break. */
  guardBroken(): boolean {
    const broken = this.#parts.map((part) => part.guardBroken());
    return broken.includes(true) && this.#parts.every((part, index) => part.guard() !== "pinned" || broken[index] === true);
  }

  read(offset: number, length: number, control: NativeControl): Promise<NativeWindow> {
    const [first] = this.#parts;
    return first?.read(offset, length, control) ?? Promise.reject(new Error("the set has no parts"));
  }

  close(): void {
    this.#links.remove();
    for (const part of this.#parts) part.close();
  }
}
