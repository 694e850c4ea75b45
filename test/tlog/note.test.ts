import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CosignatureVerifier, cosignedAt, Cosigner } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey, importPrivateKey, rawPublicKey } from "../../lib/tlog/ed25519.ts";
import { TlogError } from "../../lib/tlog/errors.ts";
import { createKeyFile, openKeyFile, readKeyFile } from "../../lib/tlog/key-file.ts";
import { addSignatures, formatNote, openNote, parseNote, signNote } from "../../lib/tlog/note.ts";
import { NoteSigner, NoteVerifier } from "../../lib/tlog/signer.ts";
import { parseVkey } from "../../lib/tlog/vkey.ts";
import { codeOf, flipped, folder } from "./support.ts";

/** The example of the C2SP signed-note page. */
const SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_SIGNATURE = "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const SPEC_NOTE = `This is an example message.\n\n${SPEC_SIGNATURE}`;

const alice = new NoteSigner("alice.example/log", generatePrivateKey());
const bob = new NoteSigner("bob.example/log", generatePrivateKey());
const TEXT = "first\n\nsecond \u00e8\n";

describe("a signed note", () => {
  test("of the specification opens with its key", () => {
    expect(openNote(SPEC_NOTE, [new NoteVerifier(SPEC_VKEY)])).toMatchObject({ text: "This is an example message.\n", verified: [{ name: "example.com/foo", keyId: 0x530d903a }] });
    expect(formatNote(parseNote(SPEC_NOTE))).toBe(SPEC_NOTE);
  });

  test("opens for either of its signers, whatever its text", () => {
    const texts = fc.string({ unit: "grapheme" }).filter((text) => !/[\u0000-\u0009\u000b-\u001f]/.test(text)).map((text) => `${text}\n`);
    fc.assert(fc.property(texts, (text) => {
      const note = signNote(text, [alice, bob]);
      for (const signer of [alice, bob]) expect(openNote(Buffer.from(note), [signer.verifier()]).text).toBe(text);
    }), { numRuns: 30 });
  });

  test("is refused with any bit turned", () => {
    const note = Buffer.from(signNote(TEXT, [alice]));
    fc.assert(fc.property(fc.nat(note.length * 8 - 1), (bit) => {
      expect(codeOf(() => openNote(flipped(note, bit), [alice.verifier()]))).toMatch(/^(BAD_SIGNATURE|UNSIGNED|MALFORMED)$/);
    }), { numRuns: 300 });
  });

  test("with a changed digit in its text has a bad signature", () => {
    expect(codeOf(() => openNote(SPEC_NOTE.replace("example message", "exemple message"), [new NoteVerifier(SPEC_VKEY)]))).toBe("BAD_SIGNATURE");
  });

  test("is signed by nobody where no known key signed it", () => {
    expect(codeOf(() => openNote(SPEC_NOTE, [alice.verifier()]))).toBe("UNSIGNED");
    expect(codeOf(() => openNote(SPEC_NOTE, []))).toBe("UNSIGNED");
  });

  test("may carry unknown signatures, also under a known name or a known id", () => {
    const impostor = new NoteSigner(alice.name, generatePrivateKey());
    const sameId = { name: "other.example", keyId: alice.keyId, signature: Buffer.alloc(64) };
    const sameName = { name: alice.name, keyId: impostor.keyId, signature: impostor.sign("something else\n") };
    const note = addSignatures(parseNote(signNote(TEXT, [alice])), [sameId, sameName, { name: "post.quantum", keyId: 6, signature: Buffer.alloc(2_420) }]);
    const { verified, signatures } = openNote(formatNote(note), [alice.verifier()]);
    expect([verified.length, signatures.length]).toEqual([1, 4]);
  });

  test("is refused when one known signature is wrong and another right", () => {
    const wrong = { name: bob.name, keyId: bob.keyId, signature: bob.sign("something else\n") };
    const note = formatNote(addSignatures(parseNote(signNote(TEXT, [alice])), [wrong]));
    expect(codeOf(() => openNote(note, [alice.verifier(), bob.verifier()]))).toBe("BAD_SIGNATURE");
    expect(codeOf(() => openNote(note, [alice.verifier()]))).toBe("none");
  });

  test("may have 16 signatures and 100, not 101", () => {
    const extra = (count: number): string => `\u2014 w.example AAAABAAA\n`.repeat(count);
    for (const count of [15, 99]) expect(codeOf(() => openNote(SPEC_NOTE + extra(count), [new NoteVerifier(SPEC_VKEY)]))).toBe("none");
    expect(codeOf(() => openNote(SPEC_NOTE + extra(100), [new NoteVerifier(SPEC_VKEY)]))).toBe("MALFORMED");
  });

  test("counts a repeated signature once", () => {
    expect(openNote(SPEC_NOTE + SPEC_SIGNATURE, [new NoteVerifier(SPEC_VKEY)]).verified).toHaveLength(1);
  });

  test("has a signature replaced by a newer one of the same key", () => {
    const note = addSignatures(parseNote(SPEC_NOTE), parseNote(SPEC_NOTE).signatures);
    expect(formatNote(note)).toBe(SPEC_NOTE);
  });

  test.each([
    ["no blank line", SPEC_NOTE.replace("\n\n", "\n")],
    ["no signatures", "text\n\n"],
    ["no newline at the end", SPEC_NOTE.slice(0, -1)],
    ["a line that is no signature", `${SPEC_NOTE}and more\n`],
    ["a hyphen for the dash", SPEC_NOTE.replace("\u2014", "-")],
    ["two spaces", SPEC_NOTE.replace("\u2014 ", "\u2014  ")],
    ["three words", SPEC_NOTE.replace("/foo ", "/foo x ")],
    ["a plus in the name", SPEC_NOTE.replace("/foo", "+foo")],
    ["a no-break space in the name", SPEC_NOTE.replace("/foo", "\u00a0foo")],
    ["a next-line character in the name", SPEC_NOTE.replace("/foo", "\u0085foo")],
    ["base64 without padding", SPEC_NOTE.replace("aQM=", "aQM")],
    ["base64 with spare bits", SPEC_NOTE.replace("aQM=", "aQN=")],
    ["base64 of URLs", SPEC_NOTE.replace("+", "-").replace("Uw2Q", "Uw-Q")],
    ["a signature of four bytes", "text\n\n\u2014 a.example AAAAAA==\n"],
    ["a carriage return", SPEC_NOTE.replaceAll("\n", "\r\n")],
    ["a tab", SPEC_NOTE.replace("an example", "an\texample")],
    ["a NUL", SPEC_NOTE.replace("an example", "an\0example")],
    ["more than a megabyte", `${"x".repeat(1_000_000)}${SPEC_NOTE}`],
    ["nothing", ""],
  ])("is malformed with %s", (_what, note) => {
    expect(codeOf(() => parseNote(note))).toBe("MALFORMED");
  });

  test("is malformed where it is not UTF-8", () => {
    expect(codeOf(() => parseNote(Buffer.concat([Buffer.of(0xff), Buffer.from(SPEC_NOTE)])))).toBe("MALFORMED");
  });

  test("is not made of a text that none could open", () => {
    for (const text of ["no newline", "tab\t\n", "\ud800\n"]) expect(codeOf(() => signNote(text, [alice]))).toBe("MALFORMED");
  });
});

describe("a verifier key", () => {
  test("says whose it is and of which kind", () => {
    expect(parseVkey(SPEC_VKEY)).toMatchObject({ name: "example.com/foo", keyId: 0x530d903a, type: 1 });
  });

  test.each([
    ["a mistyped name", SPEC_VKEY.replace("foo", "fou"), "BAD_KEY"],
    ["a mistyped id", SPEC_VKEY.replace("530d", "530e"), "BAD_KEY"],
    ["a mistyped key", SPEC_VKEY.replace("yeRr", "yeRs"), "BAD_KEY"],
    ["capitals in the id", SPEC_VKEY.replace("530d903a", "530D903A"), "MALFORMED"],
    ["no id", "example.com/foo", "MALFORMED"],
    ["an empty name", SPEC_VKEY.replace("example.com/foo", ""), "MALFORMED"],
    ["an empty key", "example.com/foo+530d903a+", "MALFORMED"],
    ["nothing", "", "MALFORMED"],
  ])("is refused with %s", (_what, vkey, code) => {
    expect(codeOf(() => parseVkey(vkey))).toBe(code);
  });

  test("of a witness is no log's key, nor the other way round", () => {
    const witness = new Cosigner("w.example", generatePrivateKey(), () => 1);
    expect(codeOf(() => new NoteVerifier(witness.vkey))).toBe("BAD_KEY");
    expect(codeOf(() => new CosignatureVerifier(alice.vkey))).toBe("BAD_KEY");
  });

  test.each(["", "two words", "a+b", "a\u3000b", "a\nb", "a\u0007b", "\udfff"])("has no name like %j", (name) => {
    expect(codeOf(() => new NoteSigner(name, generatePrivateKey()))).toBe("BAD_KEY");
  });
});

describe("a private key", () => {
  const key = generatePrivateKey();

  test("comes as PEM, JWK or KeyObject, and is the same", () => {
    const forms = [key.export({ format: "pem", type: "pkcs8" }), key.export({ format: "jwk" }), key];
    for (const form of forms) expect(rawPublicKey(importPrivateKey(form))).toEqual(rawPublicKey(key));
    expect(rawPublicKey(createPublicKey(key))).toHaveLength(32);
  });

  test("of another kind is refused", () => {
    expect(codeOf(() => importPrivateKey(generateKeyPairSync("x25519").privateKey))).toBe("BAD_KEY");
    expect(codeOf(() => importPrivateKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey))).toBe("BAD_KEY");
    expect(codeOf(() => importPrivateKey(createPublicKey(key)))).toBe("BAD_KEY");
  });

  test("that cannot be read is not repeated in the message", () => {
    try {
      importPrivateKey("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
      expect.unreachable();
    } catch (failure) {
      expect(failure).toBeInstanceOf(TlogError);
      expect(failure).toMatchObject({ code: "BAD_KEY" });
      expect(failure).not.toHaveProperty("cause");
      expect(String(failure)).not.toContain("c2VjcmV0");
    }
  });
});

describe("a key file", () => {
  test("is made once, for its owner alone, and holds the key from then on", () => {
    const path = join(folder(), "key.pem");
    const made = openKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(rawPublicKey(openKeyFile(path))).toEqual(rawPublicKey(made));
    expect(readFileSync(path, "utf8")).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  test("is never overwritten", () => {
    const path = join(folder(), "key.pem");
    createKeyFile(path);
    expect(() => createKeyFile(path)).toThrow(/EEXIST/);
  });

  test.each([0o640, 0o604, 0o660])("with mode %o is refused", (mode) => {
    const path = join(folder(), "key.pem");
    createKeyFile(path);
    chmodSync(path, mode);
    expect(codeOf(() => readKeyFile(path))).toBe("BAD_KEY");
  });

  test("is not followed where it is a symbolic link", () => {
    const place = folder();
    createKeyFile(join(place, "key.pem"));
    symlinkSync("key.pem", join(place, "link.pem"));
    expect(() => openKeyFile(join(place, "link.pem"))).toThrow(/ELOOP/);
  });

  test("without a key in it is refused", () => {
    const path = join(folder(), "key.pem");
    writeFileSync(path, "not a key", { mode: 0o600 });
    expect(codeOf(() => readKeyFile(path))).toBe("BAD_KEY");
  });
});

describe("a cosignature", () => {
  const witness = new Cosigner("w.example/1", generatePrivateKey(), () => 1_679_315_147);

  test("signs the time and the text, as the specification spells them", () => {
    const payload = witness.sign("log.example\n0\nx\n");
    const message = "cosignature/v1\ntime 1679315147\nlog.example\n0\nx\n";
    expect(cosignedAt(payload)).toBe(1_679_315_147);
    const raw = parseVkey(witness.vkey).publicKey.toString("base64url");
    const publicKey = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: raw } });
    expect(verify(null, Buffer.from(message), publicKey, payload.subarray(8))).toBe(true);
  });

  test("is refused with any bit turned, and when it is too short", () => {
    const verifier = new CosignatureVerifier(witness.vkey);
    const payload = witness.sign(TEXT);
    expect(verifier.verify(TEXT, payload)).toBe(true);
    for (let bit = 0; bit < payload.length * 8; bit += 1) expect(verifier.verify(TEXT, flipped(payload, bit))).toBe(false);
    expect(verifier.verify(TEXT, payload.subarray(0, 71))).toBe(false);
    expect(verifier.verify(`${TEXT}more\n`, payload)).toBe(false);
  });

  test.each([0, 2 ** 63])("of the time %d is refused, even if it is signed", (time) => {
    const key = generatePrivateKey();
    const odd = new Cosigner("w.example/2", key, () => time);
    expect(new CosignatureVerifier(odd.vkey).verify(TEXT, odd.sign(TEXT))).toBe(false);
    expect(new CosignatureVerifier(odd.vkey).verify(TEXT, new Cosigner("w.example/2", key, () => 1).sign(TEXT))).toBe(true);
  });
});
