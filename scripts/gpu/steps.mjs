/**
 * What is checked, in the order of what it is worth. Each step is a process of its own: one that hangs, crashes or loses its context
 * costs itself. `secondsMin`: not begun with less time left; `secondsMax`: ended then; `probe`: needs the addon of test/gpu/probe.
 */
import { find } from "./find.mjs";
import { engine, latency, managed } from "./foreign.mjs";
import { compiling, hashing } from "./hashing.mjs";
import { large, sealed } from "./sealed.mjs";
import { flippedByte, WAYS, write } from "./writes.mjs";

export const FIND = { name: "find", secondsMin: 0, secondsMax: 60, body: find };

export const STEPS = [
  { name: "hashing", secondsMin: 5, secondsMax: 90, body: hashing },
  ...Object.keys(WAYS).map((way) => ({ name: `write: ${way}`, secondsMin: 5, secondsMax: 30, probe: true, body: write(way) })),
  { name: "latency", secondsMin: 5, secondsMax: 40, probe: true, body: latency },
  { name: "sealed", secondsMin: 15, secondsMax: 150, body: sealed },
  { name: "flipped byte", secondsMin: 5, secondsMax: 30, probe: true, body: flippedByte },
  { name: "engine", secondsMin: 10, secondsMax: 90, probe: true, body: engine },
  { name: "managed", secondsMin: 5, secondsMax: 60, probe: true, body: managed },
  { name: "compiling", secondsMin: 3, secondsMax: 30, env: { CUDA_CACHE_DISABLE: "1" }, body: (context) => compiling({ ...context, cached: false }) },
  { name: "compiling, cached", secondsMin: 3, secondsMax: 30, body: (context) => compiling({ ...context, cached: true }) },
  { name: "large", secondsMin: 45, secondsMax: 150, body: large },
];
