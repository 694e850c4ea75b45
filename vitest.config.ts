import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { defineConfig } from "vitest/config";

const TMPFS = 0x0102_1994;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A native abort must cost one file, not the run.
    pool: "forks",
    testTimeout: 30_000,
    // Some compile what their children run, on machines that are busy with other tests.
    hookTimeout: 60_000,
    // Memory is no place for models under test: no lease counts there.
    env: statfsSync(tmpdir()).type === TMPFS ? { TMPDIR: "/var/tmp" } : {},
  },
});
