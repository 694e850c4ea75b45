/** What the histogram shows where nothing happens at all. */
import { withLoopDelay } from "../delay.mjs";

export default function setUp({ sha256, ms }) {
  return {
    round: () => withLoopDelay(() => new Promise((resolve) => setTimeout(resolve, ms))),
    answer: () => ({ sha256 }),
    extra: ({ delay }) => delay,
  };
}
