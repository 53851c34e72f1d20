import { remainingMs } from "./waiting.js";

/** What was written and is not taken up yet: when the first and the last of it was, in ms since 1970. */
export interface Gathering {
  readonly first: number;
  readonly last: number;
}

/** So long after a write others are waited for, to go with it: what is typed or dragged comes in bursts. */
export const gatherMs = 50;
/** And so long after the first of them at most: who never stops is not kept from the others for ever. */
export const mostGatherMs = 500;

/** Something more was written. */
export function gather(gathering: Gathering | null, now: number): Gathering {
  return { first: gathering?.first ?? now, last: now };
}

/** For how much longer, in ms, others are waited for. */
export function gatheringMs(gathering: Gathering | null, now: number): number {
  if (gathering === null) return 0;
  const { first, last } = gathering;
  const until = Math.min(last + gatherMs, first + mostGatherMs);
  return remainingMs({ since: first, until }, now);
}
