/** The committed kernels against a fresh build by Debian's compilers, which are fetched where they are missing. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { build, committed, KERNELS } from "../../scripts/kernels.mjs";
import { INSTALL_MS_MAX, locate, unpackDebian, unpackedRoot } from "../support/debian.ts";

/** What each compiler is made of, beyond what a machine with Node has. */
const PACKAGES: Record<string, readonly string[]> = {
  "clang-16": ["clang-16", "libclang-cpp16", "libclang-common-16-dev", "libllvm16", "libz3-4", "libedit2", "libbsd0", "libxml2", "libicu72"],
  glslangValidator: ["glslang-tools"],
};

async function compiler(program: string): Promise<string | { reason: string }> {
  const found = locate(program, program);
  if (found !== undefined) return found;
  const reason = await unpackDebian({ name: program, packages: PACKAGES[program] ?? [program], probe: `usr/bin/${program}` });
  return locate(program, program) ?? { reason: reason ?? `${program} is not in its package` };
}

/** An unpacked program's libraries are where the system does not look. */
function libraries(program: string): Record<string, string> {
  const lib = join(unpackedRoot(program), "usr/lib");
  return { LD_LIBRARY_PATH: ["x86_64-linux-gnu", "aarch64-linux-gnu", "llvm-16/lib"].map((folder) => join(lib, folder)).join(":") };
}

describe.each(KERNELS)("$name", (kernel) => {
  test("is what its source gives", { timeout: INSTALL_MS_MAX + 60_000 }, async (ctx) => {
    const program = await compiler(kernel.program);
    if (typeof program !== "string") return ctx.skip(program.reason);
    const fresh = await build(kernel, program, libraries(kernel.program));
    expect(fresh === (await committed(kernel)), "run node scripts/kernels.mjs and look at what changed").toBe(true);
  });

  test("names no file and no machine that made it", async () => {
    expect(await committed(kernel)).not.toMatch(/\/(?:home|tmp|root|usr)\//);
  });
});
