/** How cargo is told to compute digests without the CPU's own instructions for them. */
import { resolve } from "node:path";
import { ROOT } from "./command.mjs";

export const PORTABLE = {
  args: ["--features", "portable"],
  env: {
    RUSTFLAGS: `${process.env.RUSTFLAGS ?? ""} --cfg sha2_backend="soft"`.trim(),
    // A folder of its own: the flag is for the whole program, and would have the usual build made anew each time.
    CARGO_TARGET_DIR: resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "portable"),
  },
};
