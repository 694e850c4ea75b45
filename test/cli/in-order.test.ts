/** Several at once, answers in the order of the questions. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { inOrder } from "../../lib/cli/in-order.ts";

const NEVER = new AbortController().signal;

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const result of results) list.push(result);
  return list;
}

test("answers come in order though later questions end first", async () => {
  const work = async (ms: number, index: number): Promise<number> => {
    await sleep(ms);
    return index;
  };
  expect(await all(inOrder([30, 1, 20, 1], 4, NEVER, work))).toEqual([0, 1, 2, 3]);
});

test("never more than the width at once", async () => {
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await sleep(1);
    running -= 1;
  };
  await all(inOrder(Array.from({ length: 20 }), 3, NEVER, work as (item: unknown) => Promise<void>));
  expect(most).toBeLessThanOrEqual(3);
});

test("starts nothing once stopped, and still gives what was running", async () => {
  const stop = new AbortController();
  const work = async (item: number): Promise<number> => {
    if (item === 1) stop.abort();
    await sleep(1);
    return item;
  };
  expect(await all(inOrder([0, 1, 2, 3, 4], 2, stop.signal, work))).toEqual([0, 1]);
});

test("a failure is thrown when its turn comes", async () => {
  const work = (item: number): Promise<number> => (item === 1 ? Promise.reject(new Error("one")) : sleep(5, item));
  await expect(all(inOrder([0, 1, 2], 3, NEVER, work))).rejects.toThrow("one");
});
