/** Help, versions, and command lines that name nothing we know. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FILTER_OPTIONS } from "../../lib/cli/audit-filter.ts";
import { HELP } from "../../lib/cli/help.ts";
import { INSPECT_GRAMMAR } from "../../lib/cli/inspect-ask.ts";
import { PROTECT_GRAMMAR, VERIFY_GRAMMAR } from "../../lib/cli/verify-ask.ts";
import { VRAM_SEAL_GRAMMAR, VRAM_VERIFY_GRAMMAR, VRAM_WATCH_GRAMMAR } from "../../lib/cli/vram-ask.ts";
import { VRAM_CHECK_RECORD_GRAMMAR } from "../../lib/cli/vram-check-record.ts";
import { cli } from "./support.ts";

describe("help", () => {
  test.each([
    [["--help"], ""],
    [["-h"], ""],
    [["help"], ""],
    [["help", "verify"], "verify"],
    [["verify", "--help"], "verify"],
    [["verify", "x.gguf", "--json", "-h"], "verify"],
    [["protect", "--help"], "protect"],
    [["inspect", "--help"], "inspect"],
    [["audit", "--help"], "audit"],
    [["audit", "verify", "--help"], "audit verify"],
    [["help", "audit"], "audit"],
    [["help", "audit", "verify"], "audit verify"],
    [["audit", "nothing", "--help"], "audit"],
    [["vram", "--help"], "vram"],
    [["help", "vram", "watch"], "vram watch"],
  ])("%j", async (args, topic) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${HELP[topic] ?? ""}\n`, stderr: "" });
  });

  test.each([["verify", VERIFY_GRAMMAR], ["protect", PROTECT_GRAMMAR], ["inspect", INSPECT_GRAMMAR]] as const)("of %s names every option", (name, { flags, options }) => {
    for (const option of [...flags, ...options]) expect(HELP[name]).toContain(`--${option} `);
  });

  test.each([["audit query", ["json"]], ["audit export", ["format"]]])("of %s names every option", (name, own) => {
    for (const option of [...FILTER_OPTIONS, ...own]) expect(HELP[name]).toContain(`--${option} `);
  });

  test.each([["vram seal", VRAM_SEAL_GRAMMAR], ["vram verify", VRAM_VERIFY_GRAMMAR], ["vram watch", VRAM_WATCH_GRAMMAR], ["vram check-record", VRAM_CHECK_RECORD_GRAMMAR]] as const)("of %s names every option", (name, { flags, options }) => {
    for (const option of [...flags, ...options]) expect(HELP[name]).toContain(`--${option} `);
  });

  test("fits a terminal", () => {
    for (const text of Object.values(HELP)) for (const row of text.split("\n")) expect(row.length).toBeLessThanOrEqual(120);
  });
});

test("the version is the package's", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  for (const option of ["--version", "-V"]) expect(await cli([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

describe("a command line that names nothing we know is exit 2, with a hint, and no output", () => {
  test.each([
    [[], "name a command", "model-loader --help"],
    [["verfy", "x"], "Did you mean verify?", "model-loader --help"],
    [["--json", "verify", "x"], "the command comes first", "model-loader --help"],
    [["constructor"], "there is no command constructor", "model-loader --help"],
    [["\u001B[31m"], "there is no command \\u{1B}[31m", "model-loader --help"],
    [["help", "nothing"], "there is no command nothing", "model-loader --help"],
    [["verify"], "verify needs the name of a file or folder", "model-loader verify --help"],
    [["verify", "--identity", "x"], "--identity believes what --state recorded", "model-loader verify --help"],
    [["protect"], "protect needs the name of a file or folder", "model-loader protect --help"],
    [["protect", "--min-guard", "leased", "x"], "There is no option --min-guard", "model-loader protect --help"],
    [["protect", "--sha256", "0".repeat(64), "x", "y"], "--sha256 is the digest of one file", "model-loader protect --help"],
    [["verify", "--jsno", "x"], "Did you mean --json?", "model-loader verify --help"],
    [["verify", "--max-bytes", "1e9", "x"], "--max-bytes must be a whole number", "model-loader verify --help"],
    [["verify", "--sha256", "abc", "x"], "--sha256 must be 64 hex digits", "model-loader verify --help"],
    [["vram"], "vram needs to know what to do: devices, seal, verify, watch, check-record", "model-loader vram --help"],
    [["vram", "sael", "x"], "Did you mean seal?", "model-loader vram --help"],
    [["vram", "devices", "x"], "vram devices takes no names", "model-loader vram devices --help"],
    [["vram", "seal"], "vram seal needs the name of a file", "model-loader vram seal --help"],
    [["vram", "seal", "a", "b"], "vram seal takes one file at a time", "model-loader vram seal --help"],
    [["vram", "seal", "x", "--holt"], "Did you mean --hold?", "model-loader vram seal --help"],
    [["vram", "seal", "x", "--device", "0"], "--device must be the UUID of a device", "model-loader vram seal --help"],
    [["vram", "seal", "x", "--backend", "cud"], "Did you mean cuda?", "model-loader vram seal --help"],
    [["vram", "seal", "x", "--resident-fraction-min", "90"], "must be a fraction such as 0.01", "model-loader vram seal --help"],
    [["vram", "verify", "x", "--level", "deep"], "--level must be one of quick, sample, full, challenge", "model-loader vram verify --help"],
    [["vram", "verify", "x", "--p", "0.5"], "--p goes with --level sample", "model-loader vram verify --help"],
    [["vram", "verify", "x", "--level", "challenge", "--nonce", "ab"], "--nonce must be 64 hex digits", "model-loader vram verify --help"],
    [["vram", "watch", "x", "--duty", "0"], "--duty must be a fraction", "model-loader vram watch --help"],
    [["audit"], "audit needs", "model-loader audit --help"],
    [["audit", "verfiy", "x"], "Did you mean verify?", "model-loader audit --help"],
    [["audit", "qurey", "x"], "Did you mean query?", "model-loader audit --help"],
    [["audit", "query"], "audit query needs the name of a folder", "model-loader audit query --help"],
    [["audit", "query", "x", "--sinse", "24h"], "Did you mean --since?", "model-loader audit query --help"],
    [["audit", "query", "x", "--since", "yesterday"], "--since must be a time such as", "model-loader audit query --help"],
    [["audit", "query", "x", "--since", "2026-11-24T07:30:00"], "--since must be a time such as", "model-loader audit query --help"],
    [["audit", "query", "x", "--type", "ModelLoadd"], "Did you mean ModelLoaded?", "model-loader audit query --help"],
    [["audit", "query", "x", "--severity", "grave"], "Known: CRITICAL, HIGH, INFO", "model-loader audit query --help"],
    [["audit", "query", "x", "--seq", "a..b"], "--seq must be a number or a range", "model-loader audit query --help"],
    [["audit", "query", "x", "--actor", "a", "--actor", "b"], "--actor is given twice", "model-loader audit query --help"],
    [["audit", "export", "x"], "audit export needs --format, one of ocsf", "model-loader audit export --help"],
    [["audit", "export", "x", "--format", "ocfs"], "Did you mean ocsf?", "model-loader audit export --help"],
    [["audit", "verify"], "audit verify needs the name of a folder", "model-loader audit verify --help"],
  ])("%j", async (args, hint, help) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(hint);
    expect(stderr).toContain(`Try: ${help}\n`);
  });
});
