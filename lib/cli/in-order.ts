/** Several at once, answers in the order of the questions. */

/** Runs `work` over `items`, at most `width` at a time, and yields the results in order. Stops starting once `stop` aborts. */
export async function* inOrder<Item, Result>(
  items: readonly Item[],
  width: number,
  stop: AbortSignal,
  work: (item: Item, index: number) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  let next = 0;
  const start = (): void => {
    const item = items[next];
    if (item === undefined || stop.aborted) return;
    const result = work(item, next);
    next += 1;
    // The failure is thrown when its turn comes; until then it must not count as unhandled.
    result.catch(() => undefined);
    running.push(result);
  };
  for (let started = 0; started < width; started++) start();
  for (let first = running.shift(); first !== undefined; first = running.shift()) {
    const result = await first;
    start();
    yield result;
  }
}
