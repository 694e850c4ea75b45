/**
 * `model-loader protect` where fs-verity cannot be had: on memory, whatever the kernel. That it protects where it can is shown by
 * scripts/verity-check.mjs.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { cli, line, lines } from "./support.ts";

const MEMORY = "/dev/shm";
const GOOD = tinyModel().bytes();
const SHA256 = createHash("sha256").update(GOOD).digest("hex");

describe.skipIf(!existsSync(MEMORY))("on memory", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(MEMORY, "protect-"));
    onTestFinished(() => { rmSync(home, { recursive: true }); });
    writeFileSync(join(home, "good.gguf"), GOOD);
  });

  test("it is refused, told why, and recorded", async () => {
    const { code, stdout, stderr } = await cli(["protect", "--json", "--sha256", SHA256, "--audit", "audit", "good.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(line(stdout)).toEqual({
      path: "good.gguf", ok: false, code: "GUARD_UNAVAILABLE", severity: "HIGH", retriable: false, expected: "fs-verity",
      message: "the file cannot be protected: fs-verity counts on ext4, btrfs and f2fs only, and this is tmpfs (type 0x1021994)",
    });
    const [segment = ""] = readdirSync(join(home, "audit/log"));
    const records = lines(readFileSync(join(home, "audit/log", segment), "utf8")).filter(({ type }) => !String(type).startsWith("Audit"));
    expect(records).toMatchObject([{ type: "ModelLoadFailed", action: "model.protect", outcome: "denied", reason: "GUARD_UNAVAILABLE", target: { expectedSha256: SHA256 } }]);
    // As it was: whoever may can still write to it.
    writeFileSync(join(home, "good.gguf"), "x");
  });

  test("a digest must be promised, or the promise waived", async () => {
    const unpromised = await cli(["protect", "--json", "good.gguf"], home);
    expect({ code: unpromised.code, told: line(unpromised.stdout) }).toMatchObject({ code: 1, told: { code: "DIGEST_REQUIRED" } });
    const waived = await cli(["protect", "--json", "--no-require-digest", "good.gguf"], home);
    expect({ code: waived.code, told: line(waived.stdout) }).toMatchObject({ code: 1, told: { code: "GUARD_UNAVAILABLE" } });
  });

  test("every file of a folder is asked for, and what is not there is exit 3", async () => {
    writeFileSync(join(home, "other.gguf"), GOOD);
    const folder = await cli(["protect", "--json", "--no-require-digest", "."], home);
    expect({ code: folder.code, told: lines(folder.stdout).map(({ code }) => code) }).toEqual({ code: 1, told: ["GUARD_UNAVAILABLE", "GUARD_UNAVAILABLE"] });
    const missing = await cli(["protect", "--json", "--sha256", SHA256, "missing.gguf"], home);
    expect({ code: missing.code, told: line(missing.stdout) }).toMatchObject({ code: 3, told: { code: "NOT_FOUND" } });
  });
});
