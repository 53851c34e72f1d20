/** That something waits, on the device's clock, in ms since 1970. */
export interface Wait {
  readonly since: number;
  readonly until: number;
}

/** For how much longer, in ms. A clock that was put back meanwhile makes nobody wait: by it the wait has not begun. */
export function remainingMs({ since, until }: Wait, now: number): number {
  return now < since ? 0 : Math.max(0, until - now);
}
