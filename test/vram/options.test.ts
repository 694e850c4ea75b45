/** A wrong option is a TypeError that names it, before anything is opened. */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseRanges } from "../../lib/vram/foreign.ts";
import { parseBook, parseChallenge, parseForeignOptions, parseScrubOptions, parseSealOptions, parseShardVerify, parseSpotCheck } from "../../lib/vram/options.ts";
import { parseVramPolicy, vramPolicyOf } from "../../lib/vram/policy.ts";
import { parseLoaderOptions, sealsOf } from "../../lib/options.ts";

const RULES = parseLoaderOptions({ root: "/", audit: "disabled" }).judge;

describe("a wrong option is refused by name:", () => {
  test.each([
    [() => parseSealOptions({ devise: "GPU" }, RULES), 'no option "devise"'],
    [() => parseSealOptions({ device: "0" }, RULES), "device must be the UUID"],
    [() => parseSealOptions({ device: 0 }, RULES), "device must be a string"],
    [() => parseSealOptions({ backend: "metal" }, RULES), 'backend must be one of "cuda", "vulkan"'],
    [() => parseSealOptions({ sha256: "abc" }, RULES), "sha256 must be 64 hex digits"],
    [() => parseSealOptions({ policy: { requireECC: true } }, RULES), 'policy has no option "requireECC"'],
    [() => parseSealOptions({ policy: [] }, RULES), "policy must be an object, not an array"],
    [() => parseVramPolicy({ requireEcc: "yes" }), "policy.requireEcc must be a boolean"],
    [() => parseVramPolicy({ headroomBytes: -1 }), "policy.headroomBytes must be a whole number"],
    [() => parseVramPolicy({ residentFractionMin: 1.1 }), "policy.residentFractionMin must be a number from 0 to 1"],
    [() => parseVramPolicy({ residentFractionMin: NaN }), "policy.residentFractionMin must be a number from 0 to 1"],
    [() => parseVramPolicy({ slowFactor: 0.5 }), "policy.slowFactor must be a number from 1"],
    [() => parseVramPolicy({ triesMax: 0 }), "policy.triesMax must be a whole number from 1"],
    [() => parseVramPolicy({ onViolation: "ignore" }), 'policy.onViolation must be one of "throw"'],
    [() => parseShardVerify({ level: "deep" }), 'level must be one of "quick", "sample", "full"'],
    [() => parseShardVerify({ level: "sample", p: 0 }), "p must be more than 0"],
    [() => parseShardVerify({ level: "sample", p: 2 }), "p must be a number from 0 to 1"],
    [() => parseShardVerify({ level: "full", p: 0.5 }), 'p goes with level: "sample"'],
    [() => parseShardVerify({ signal: true }), "signal must be an AbortSignal"],
    [() => parseScrubOptions({ dutyCycle: 0 }), "dutyCycle must be more than 0"],
    [() => parseScrubOptions({ budget: 1 }), 'no option "budget"'],
    [() => parseScrubOptions({ budgetMs: -1 }), "budgetMs must be a number from 0"],
    [() => parseChallenge("0".repeat(63), {}), "nonce must be 32 bytes in a Buffer or Uint8Array, or 64 hex digits"],
    [() => parseChallenge(randomBytes(31), {}), "nonce must be 32 bytes"],
    [() => parseChallenge(randomBytes(32), { method: "mac" }), 'method must be one of "fresh-mac", "book"'],
    [() => parseChallenge(randomBytes(32), { answer: "abc" }), "answer must be 32 bytes"],
    [() => parseChallenge(randomBytes(32), { method: "fresh-mac", answer: "0".repeat(64) }), 'answer goes with method: "book"'],
    [() => parseBook(0, {}), "entries must be a whole number from 1 to 1024"],
    [() => parseBook(1025, {}), "entries must be a whole number from 1 to 1024"],
    [() => parseSpotCheck({ p: 0 }), "p must be more than 0"],
    [() => parseSpotCheck({ level: "full" }), 'no option "level"'],
    [() => sealsOf({}), "seals needs either key or keyFile"],
    [() => sealsOf({ key: randomBytes(31) }), "seals.key must have at least 32 bytes, not 31"],
    [() => sealsOf({ key: "secret" }), "seals.key must be a secret KeyObject or a Uint8Array"],
    [() => sealsOf({ key: randomBytes(32), keyFile: "x" }), "seals needs either key or keyFile"],
    [() => sealsOf({ keyFile: "" }), "seals.keyFile must be the path of a file"],
    [() => parseForeignOptions({ gpuLayers: 1 }), 'no option "gpuLayers"'],
    [() => parseRanges({}), "ranges must be an array"],
    [() => parseRanges([]), "ranges must hold 1 to"],
    [() => parseRanges([null]), "ranges[0] must be an object, not null"],
    [() => parseRanges([{ pointer: 1n, bytes: 1, tensor: "a" }, { pointer: 1, bytes: 1, tensor: "a" }]), "ranges[1].pointer must be a bigint"],
    [() => parseRanges([{ pointer: 2n ** 64n, bytes: 1, tensor: "a" }]), "ranges[0].pointer must be a bigint"],
    [() => parseRanges([{ pointer: 1n, bytes: 0, tensor: "a" }]), "ranges[0].bytes must be a whole number"],
    [() => parseRanges([{ pointer: 1n, bytes: 1, tensor: "" }]), "ranges[0].tensor must be the name"],
  ])("%#", (parse, message) => {
    expect(parse).toThrow(TypeError);
    expect(parse).toThrow(message);
  });
});

describe("right ones", () => {
  test("have defaults", () => {
    expect(parseSealOptions(undefined, RULES).place).toEqual({
      device: undefined, backend: undefined,
      policy: { native: { requireEcc: false, requireReadOnly: false, allowUnified: false, headroomBytes: 0, slowPagesMax: 0, slowFactor: 4, triesMax: 3 }, onViolation: "throw" },
    });
    expect(parseShardVerify(undefined)).toEqual({ ask: { level: "full" }, signal: undefined });
    expect(parseShardVerify({ level: "sample" })).toMatchObject({ ask: { level: "sample", p: 0.01 } });
    expect(parseSpotCheck(undefined)).toEqual({ p: 0.01, signal: undefined });
    expect(parseScrubOptions(undefined)).toMatchObject({ dutyCycle: 0.01, budgetMs: 20 });
  });

  test("take a UUID in any form", () => {
    for (const device of ["GPU-12345678-9abc-def0-1234-56789abcdef0", "12345678-9abc-def0-1234-56789abcdef0", "123456789ABCDEF0123456789ABCDEF0"]) {
      expect(parseSealOptions({ device }, RULES).place.device).toBe(device);
    }
  });

  test("a nonce is copied: its owner may write to it", () => {
    const nonce = randomBytes(32);
    const { nonce: kept = new Uint8Array() } = parseChallenge(nonce, undefined).ask;
    const before = Buffer.from(kept).toString("hex");
    nonce.fill(0);
    expect(Buffer.from(kept).toString("hex")).toBe(before);
  });

  test("equal policies have equal digests, others do not", () => {
    const digest = (policy: object): string => vramPolicyOf(parseVramPolicy(policy)).digest;
    expect(digest({})).toBe(digest({ requireEcc: false, slowFactor: 4 }));
    expect(new Set([{}, { requireEcc: true }, { residentFractionMin: 0 }, { onViolation: "event" }, { slowPagesMax: 1 }].map(digest)).size).toBe(5);
  });
});
