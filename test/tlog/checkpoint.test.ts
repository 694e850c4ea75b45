import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatCheckpoint, openCheckpoint, parseCheckpoint, peekCheckpoint, signCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { Cosigner, CosignatureVerifier } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { EMPTY_ROOT } from "../../lib/tlog/hash.ts";
import { addSignatures, formatNote, parseNote } from "../../lib/tlog/note.ts";
import { NoteSigner } from "../../lib/tlog/signer.ts";
import { buildProof, formatProof, parseProof, verifyProof } from "../../lib/tlog/tlog-proof.ts";
import { codeOf, flipped, leavesOf, record, tilesOf } from "./support.ts";
import { Twin, twinLeaf } from "./twin.ts";

/** The example of the C2SP tlog-checkpoint page. */
const SPEC_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const ORIGIN = "audit.example.com/model-loader/host-1";
const SIZE = 700;
const twin = new Twin(leavesOf(SIZE));
const tiles = tilesOf(twin.leaves);
const signer = new NoteSigner(ORIGIN, generatePrivateKey());
const keys = [signer.verifier()];
const checkpoint = { origin: ORIGIN, size: SIZE, root: twin.root(SIZE), extensions: [] };
const signed = signCheckpoint(checkpoint, [signer]);

describe("a checkpoint", () => {
  test("of the specification is read and written again", () => {
    const parsed = parseCheckpoint(SPEC_TEXT);
    expect(parsed).toMatchObject({ origin: "example.com/behind-the-sofa", size: 20_852_163, extensions: [] });
    expect(formatCheckpoint(parsed)).toBe(SPEC_TEXT);
  });

  test("gives back what was put in", () => {
    const any = fc.record({
      origin: fc.stringMatching(/^[a-z./-]{1,40}$/), size: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((root) => Buffer.from(root)), extensions: fc.array(fc.stringMatching(/^[ -~]{1,20}$/), { maxLength: 3 }),
    });
    fc.assert(fc.property(any, (one) => { expect(parseCheckpoint(formatCheckpoint(one))).toEqual(one); }));
  });

  test.each([
    ["a leading zero", SPEC_TEXT.replace("2085", "02085")],
    ["a sign", SPEC_TEXT.replace("2085", "+2085")],
    ["a point", SPEC_TEXT.replace("2163", "2163.0")],
    ["an exponent", SPEC_TEXT.replace("20852163", "2e7")],
    ["a size of 2^53", SPEC_TEXT.replace("20852163", "9007199254740992")],
    ["a size of twenty digits", SPEC_TEXT.replace("20852163", "18446744073709551615")],
    ["digits of another script", SPEC_TEXT.replace("2163", "216\u0663")],
    ["a space", SPEC_TEXT.replace("2163\n", "2163 \n")],
    ["a short root", SPEC_TEXT.replace("CsUY", "")],
    ["a root without padding", SPEC_TEXT.replace("=", "")],
    ["a root with spare bits", SPEC_TEXT.replace("q2I=", "q2J=")],
    ["two lines", "example.com/log\n5\n"],
    ["an empty origin", SPEC_TEXT.replace("example.com/behind-the-sofa", "")],
    ["an empty extension", `${SPEC_TEXT}\n`],
    ["no newline at the end", SPEC_TEXT.slice(0, -1)],
    ["a root of the empty tree that is another", SPEC_TEXT.replace("20852163", "0")],
    ["nothing", ""],
  ])("is malformed with %s", (_what, text) => {
    expect(codeOf(() => parseCheckpoint(text))).toBe("MALFORMED");
  });

  test("of an empty tree has the hash of nothing", () => {
    const empty = { origin: ORIGIN, size: 0, root: EMPTY_ROOT, extensions: [] };
    expect(parseCheckpoint(formatCheckpoint(empty))).toEqual(empty);
  });

  test("is not written where no reader would take it", () => {
    for (const wrong of [{ origin: "" }, { origin: "a\nb" }, { size: -1 }, { size: 1.5 }, { size: 2 ** 53 }, { root: Buffer.alloc(31) }, { extensions: [""] }]) {
      expect(codeOf(() => formatCheckpoint({ ...checkpoint, ...wrong }))).toBe("MALFORMED");
    }
  });

  test("opens for its log's key and origin only", () => {
    expect(openCheckpoint(signed, ORIGIN, keys)).toMatchObject({ size: SIZE, root: twin.root(SIZE) });
    expect(codeOf(() => openCheckpoint(signed, "other.example", keys))).toBe("WRONG_ORIGIN");
    expect(codeOf(() => openCheckpoint(signed, ORIGIN, [new NoteSigner(ORIGIN, generatePrivateKey()).verifier()]))).toBe("UNSIGNED");
    expect(codeOf(() => openCheckpoint(signed.replace("\n700\n", "\n701\n"), ORIGIN, keys))).toBe("BAD_SIGNATURE");
    expect(peekCheckpoint(signed).size).toBe(SIZE);
  });
});

describe("a tlog proof", () => {
  const witness = new Cosigner("witness.example/w1", generatePrivateKey(), () => 1_700_000_000);
  const witnesses = [new CosignatureVerifier(witness.vkey)];
  const cosigned = formatNote(addSignatures(parseNote(signed), [{ name: witness.name, keyId: witness.keyId, signature: witness.sign(formatCheckpoint(checkpoint)) }]));
  const leaf = twinLeaf(record(300));
  const text = formatProof(buildProof(tiles, 300, leaf, cosigned));
  const policy = { origin: ORIGIN, logKeys: keys };

  test("shows that the record stands in the log, and who saw it", () => {
    const proven = verifyProof(parseProof(text), leaf, { ...policy, witnesses, quorum: 1 });
    expect(proven.checkpoint.size).toBe(SIZE);
    expect(proven.witnessed).toEqual([{ name: "witness.example/w1", unixSeconds: 1_700_000_000 }]);
  });

  test("has the lines of the specification", () => {
    const [first, index, ...rest] = text.split("\n");
    expect([first, index]).toEqual(["c2sp.org/tlog-proof@v1", "index 300"]);
    expect(rest.slice(0, rest.indexOf(""))).toEqual(twin.path(300, 0, SIZE).map((hash) => hash.toString("base64")));
    expect(text.endsWith(`\n\n${cosigned}`)).toBe(true);
  });

  test("carries extra data that says nothing", () => {
    const proof = { ...parseProof(text), extra: Buffer.from("hello") };
    expect(formatProof(proof).split("\n")[1]).toBe("extra aGVsbG8=");
    expect(parseProof(formatProof(proof))).toEqual(proof);
  });

  test("of a single record has no hashes", () => {
    const one = signCheckpoint({ ...checkpoint, size: 1, root: twin.root(1) }, [signer]);
    const proof = parseProof(formatProof(buildProof(tilesOf(twin.leaves.slice(0, 1)), 0, twinLeaf(record(0)), one)));
    expect(proof.hashes).toEqual([]);
    verifyProof(proof, twinLeaf(record(0)), policy);
  });

  test("is refused for another record, place, log or key, and without enough witnesses", () => {
    const proof = parseProof(text);
    const stranger = new Cosigner("witness.example/w2", generatePrivateKey(), () => 1);
    const checks: [string, () => unknown][] = [
      ["PROOF_FAILED", () => verifyProof(proof, twinLeaf(record(301)), policy)],
      ["PROOF_FAILED", () => verifyProof({ ...proof, index: 301 }, leaf, policy)],
      ["OUT_OF_RANGE", () => verifyProof({ ...proof, index: SIZE }, leaf, policy)],
      ["WRONG_ORIGIN", () => verifyProof(proof, leaf, { ...policy, origin: "other.example" })],
      ["UNSIGNED", () => verifyProof(proof, leaf, { ...policy, logKeys: [new NoteSigner(ORIGIN, generatePrivateKey()).verifier()] })],
      ["UNSIGNED", () => verifyProof(proof, leaf, { ...policy, witnesses, quorum: 2 })],
      ["UNSIGNED", () => verifyProof(proof, leaf, { ...policy, witnesses: [new CosignatureVerifier(stranger.vkey)], quorum: 1 })],
      ["BAD_SIGNATURE", () => verifyProof({ ...proof, checkpoint: proof.checkpoint.replace("\n700\n", "\n701\n") }, leaf, policy)],
    ];
    for (const [code, check] of checks) expect(codeOf(check)).toBe(code);
  });

  test("with any bit turned shows nothing", () => {
    const bytes = Buffer.from(text);
    fc.assert(fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      expect(codeOf(() => verifyProof(parseProof(flipped(bytes, bit).toString("utf8")), leaf, { ...policy, witnesses, quorum: 1 }))).not.toBe("none");
    }), { numRuns: 300 });
  });

  test.each([
    ["another first line", text.replace("@v1", "@v2")],
    ["no index", text.replace("index 300\n", "")],
    ["an index with a leading zero", text.replace("index 300", "index 0300")],
    ["a negative index", text.replace("index 300", "index -1")],
    ["a short hash", text.replace(/\n.{40}(.{4}\n)/, "\n$1")],
    ["no checkpoint", text.slice(0, text.indexOf("\n\n") + 2)],
    ["no blank line", text.replaceAll("\n\n", "\n")],
    ["extra data that is no base64", text.replace("\nindex", "\nextra !\nindex")],
    ["extra data behind the index", text.replace("index 300\n", "index 300\nextra aGVsbG8=\n")],
    ["64 hashes", text.replace("index 300\n", `index 300\n${`${EMPTY_ROOT.toString("base64")}\n`.repeat(64)}`)],
    ["nothing", ""],
  ])("is malformed with %s", (_what, wrong) => {
    expect(codeOf(() => parseProof(wrong))).toBe("MALFORMED");
  });

  test("is not given away when the tiles are damaged", () => {
    const damaged = tilesOf(twin.leaves);
    damaged.files.set("tile/0/001", flipped(damaged.files.get("tile/0/001") ?? EMPTY_ROOT, 5));
    expect(codeOf(() => buildProof(damaged, 300, leaf, signed))).toBe("PROOF_FAILED");
    damaged.files.delete("tile/0/001");
    expect(codeOf(() => buildProof(damaged, 300, leaf, signed))).toBe("TILE_MISSING");
  });
});
