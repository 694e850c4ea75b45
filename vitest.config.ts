import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A native abort must cost one file, not the run.
    pool: "forks",
    testTimeout: 30_000,
  },
});
