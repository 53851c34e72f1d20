import type { Random } from "./random.js";

/** As Convex does: after so many retries a conflict becomes the caller's. */
export const mostRetries = 4;
const firstBackoffMs = 100;
const longestBackoffMs = 2_000;
/** A scheduled mutation that keeps conflicting is begun again, for ever: it is to run exactly once. */
const firstJobBackoffMs = 500;
const longestJobBackoffMs = 60_000;

/** How long to wait after a conflict. @param retries - how many there were before. @returns null: give up */
export function backoffMs(retries: number, random: Random): number | null {
  if (retries >= mostRetries) return null;
  return random.fraction() * Math.min(longestBackoffMs, firstBackoffMs * 2 ** retries);
}

export function jobBackoffMs(retries: number, random: Random): number {
  return random.fraction() * Math.min(longestJobBackoffMs, firstJobBackoffMs * 2 ** retries);
}
