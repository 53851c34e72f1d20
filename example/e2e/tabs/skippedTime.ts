// Playwright's clock is one for all tabs of a profile, and waits for those that are stopped: this one is of one tab.
import type { Page } from "playwright-core";

interface Timer {
  run(): void;
  dueAt: number;
  real: number;
}

/** To be called before the tab's page is opened. */
export const installTimers = (page: Page): Promise<unknown> =>
  page.addInitScript(() => {
    const [set, clear] = [window.setTimeout.bind(window), window.clearTimeout.bind(window)];
    const timers = new Map<number, Timer>();
    const start = (timer: Timer) => (timer.real = set(() => timer.run(), timer.dueAt - performance.now()));
    let last = 0;
    const setTimer = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) => {
      const id = ++last;
      const run = () => {
        timers.delete(id);
        callback(...args);
      };
      const timer = { run, dueAt: performance.now() + delayMs, real: 0 };
      timers.set(id, timer);
      start(timer);
      return id;
    };
    const clearTimer = (id: number) => {
      clear(timers.get(id)?.real);
      timers.delete(id);
    };
    const skipTime = (ms: number) => {
      for (const timer of timers.values()) {
        clear(timer.real);
        timer.dueAt -= ms;
        start(timer);
      }
    };
    Object.assign(window, { setTimeout: setTimer, clearTimeout: clearTimer, skipTime });
  });

/** Has all that the tab waits for come so much earlier. */
export const skipTime = (page: Page, ms: number): Promise<void> =>
  page.evaluate((skipped) => (window as unknown as { skipTime(ms: number): void }).skipTime(skipped), ms);
