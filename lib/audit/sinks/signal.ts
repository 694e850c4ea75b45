/** Wakes the one who waited last; given while nobody waits, it is kept for the next. */
export class Signal {
  #given = false;
  #waiter: (() => void) | undefined;

  give(): void {
    this.#given = true;
    this.#waiter?.();
  }

  /**
   * True when it was given, false after `ms`. The timer does not keep the process alive. With `enough` only a signal counts after
   * which that is true, and others are kept for the next to wait.
   */
  async taken(ms: number | undefined, enough: () => boolean = () => true): Promise<boolean> {
    if (this.#given && enough()) return this.#take();
    return (await this.#woken(ms, enough)) && this.#take();
  }

  #woken(ms: number | undefined, enough: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => { resolve(false); }, ms).unref();
      this.#waiter = () => {
        if (!enough()) return;
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #take(): true {
    this.#given = false;
    return true;
  }
}
