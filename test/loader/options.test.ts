import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import type { LoaderOptions, ModelPath } from "../../lib/index.ts";
import { folder, gate } from "../support/gate.ts";

describe("a loader's options", () => {
  const bad: [string, Record<string, unknown> | undefined | null | string, RegExp][] = [
    ["none", undefined, /ModelLoader.open must be an object/u],
    ["null", null, /must be an object/u],
    ["text", "/models", /must be an object/u],
    ["no root", {}, /root/u],
    ["an empty root", { root: "" }, /root/u],
    ["a root that is a number", { root: 1 }, /root/u],
    ["a misspelt name", { root: "/", requireDigests: true }, /no option "requireDigests"/u],
    ["strict as text", { root: "/", strict: "yes" }, /strict must be a boolean/u],
    ["concurrency 0", { root: "/", concurrency: 0 }, /concurrency must be a whole number from 1/u],
    ["concurrency NaN", { root: "/", concurrency: NaN }, /concurrency/u],
    ["maxBytes -1", { root: "/", maxBytes: -1 }, /maxBytes/u],
    ["maxBytes 1.5", { root: "/", maxBytes: 1.5 }, /maxBytes/u],
    ["maxBytes as bigint", { root: "/", maxBytes: 1n }, /maxBytes must be a number/u],
    ["an unknown limit", { root: "/", limits: { tensor: 1 } }, /no option "tensor"/u],
    ["a limit of 0", { root: "/", limits: { tensors: 0 } }, /limits.tensors/u],
    ["a folder for audit", { root: "/", audit: "/var/log" }, /audit must be an AuditLog/u],
    ["an empty object for registry", { root: "/", registry: {} }, /registry must be a prom-client Registry/u],
    ["another onAuditFailure", { root: "/", onAuditFailure: "ignore" }, /onAuditFailure/u],
  ];
  test.each(bad)("are refused by name: %s", async (_, options, message) => {
    await expect(ModelLoader.open(options as unknown as LoaderOptions)).rejects.toThrow(message);
  });

  test("without an audit log are warned about, and with the word disabled they are not", async () => {
    const root = await folder();
    const warnings: string[] = [];
    const listen = (warning: Error & { code?: string }): void => { warnings.push(warning.code ?? warning.name); };
    process.on("warning", listen);
    const silent = await ModelLoader.open({ root, audit: "disabled" });
    await new Promise(setImmediate);
    expect(warnings).not.toContain("MODEL_LOADER_UNAUDITED");
    const loud = await ModelLoader.open({ root });
    await new Promise(setImmediate);
    process.off("warning", listen);
    await Promise.all([silent[Symbol.asyncDispose](), loud[Symbol.asyncDispose]()]);
    expect(warnings).toContain("MODEL_LOADER_UNAUDITED");
  });
});

describe("a call's options", () => {
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ["a digest of 63 digits", { sha256: "0".repeat(63) }, /64 hex digits/u],
    ["a digest of other letters", { sha256: "g".repeat(64) }, /64 hex digits/u],
    ["a digest with a line end", { sha256: "0".repeat(64) + "\n" }, /64 hex digits/u],
    ["a digest as bytes", { sha256: new Uint8Array(32) }, /sha256 must be a string/u],
    ["a misspelt name", { sha265: "0".repeat(64) }, /no option "sha265"/u],
    ["a signal that is none", { signal: {} }, /signal must be an AbortSignal/u],
    ["an actor that is an object", { actor: {} }, /actor must be a string/u],
    ["progress that is no function", { onProgress: 1 }, /onProgress must be a function/u],
  ];
  test.each(bad)("are refused by name, and nothing is opened: %s", async (_, options, message) => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), "");
    const calls = [() => loader.load("m.gguf", options), () => loader.inspect("m.gguf", options), () => loader.validateBytes(new Uint8Array(), options)];
    for (const call of calls) {
      const failure = await call().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(TypeError);
      expect(String(failure)).toMatch(message);
    }
  });

  test.each([undefined, null, 1, {}, [], true, Symbol("x"), new URL("http://localhost/m.gguf")])("and a path must be one, not %s", async (path) => {
    const { loader } = await gate();
    await expect(loader.load(path as ModelPath)).rejects.toThrow(TypeError);
    await expect(loader.inspect(path as ModelPath, {})).rejects.toThrow(TypeError);
  });
});
