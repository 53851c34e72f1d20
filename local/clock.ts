/** Time, so that tests can drive it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `wake` at `ms` or soon after, or earlier where it cannot wait so long. @returns a function that takes it back */
  at(ms: number, wake: () => void): () => void;
}

/** A timer of Node that waits longer than 24.8 days fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** The time of day. It keeps no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  at: (ms, wake) => {
    const timer = setTimeout(wake, Math.min(Math.max(0, ms - Date.now()), longestTimerMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
