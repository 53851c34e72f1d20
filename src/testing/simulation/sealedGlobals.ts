import { limits } from "../../shared/limits.js";
import { SeededRandom } from "../random.js";
import type { Script } from "./script.js";
import type { Timeline } from "./timeline.js";

/**
 * Small, so that scripts of some dozen steps meet all of it: pages that end within a commit, states that a push compacts
 * before it appends, devices that come back when what they have missed is told no more. Receipts are kept for longer
 * than a push can be on its way.
 */
export const smallLimits = {
  compactInPlaceDeltas: 6,
  leavesKeptMs: 20_000,
  receiptsKeptMs: 5 * 60_000,
  pageEntries: 3,
};

/** Whether who asks is let through to what was there before: somebody who has been given a time and numbers of its own. */
type IsExempt = () => boolean;

/** On the globals while they are sealed: there is one of each in a process. */
const mark = Symbol.for("convex-replicate: sealed by a simulation");

/**
 * Runs `work` in a world without a real clock, real timers or real randomness: what the server's functions and what
 * runs them draw from there comes from the seed and the timeline (I-20).
 *
 * @throws Error if another one runs in this process
 */
export async function inSealedWorld<T>(
  { seed, catchUpEntries = limits.catchUpEntries }: Pick<Script<never>, "seed" | "catchUpEntries">,
  timeline: Timeline,
  { hasOwnGlobals }: { hasOwnGlobals: IsExempt },
  work: () => Promise<T>,
): Promise<T> {
  const marks = globalThis as { [mark]?: true };
  if (marks[mark]) throw new Error("One simulation at a time: another one has the clock of this process.");
  marks[mark] = true;
  const random = new SeededRandom(seed);
  const realRandom = Math.random;
  const restores = [
    sealDate(timeline, hasOwnGlobals),
    replace(Math, "random", () => (hasOwnGlobals() ? realRandom() : random.next())),
    sealCrypto(random, hasOwnGlobals),
    sealTimers(timeline, hasOwnGlobals),
    replaceLimits({ ...smallLimits, catchUpEntries }),
  ];
  try {
    return await work();
  } finally {
    for (const restore of restores.reverse()) restore();
    delete marks[mark];
  }
}

function replace<T extends object, K extends keyof T>(target: T, name: K, value: T[K]): () => void {
  const real = target[name];
  target[name] = value;
  return () => void (target[name] = real);
}

function replaceLimits(others: Partial<Record<keyof typeof limits, number>>): () => void {
  const usual = { ...limits };
  Object.assign(limits, others);
  return () => void Object.assign(limits, usual);
}

function sealDate(timeline: Timeline, isExempt: IsExempt): () => void {
  const RealDate = globalThis.Date;
  const now = () => (isExempt() ? RealDate.now() : timeline.now());
  const nowIn = (parts: unknown[]) => (parts.length === 0 ? [now()] : parts);
  return replace(
    globalThis,
    "Date",
    new Proxy(RealDate, {
      construct: (_, parts, target) => Reflect.construct(RealDate, nowIn(parts), target) as object,
      apply: () => new RealDate(now()).toString(),
      get: (_, name) => (name === "now" ? now : Reflect.get(RealDate, name)),
    }),
  );
}

function sealCrypto(random: SeededRandom, isExempt: IsExempt): () => void {
  const prototype = Object.getPrototypeOf(globalThis.crypto) as Crypto;
  const { getRandomValues, randomUUID } = prototype;
  const fill = (bytes: Uint8Array) => void bytes.forEach((_, at) => (bytes[at] = random.below(256)));
  const restores = [
    replace(prototype, "getRandomValues", <A extends ArrayBufferView | null>(array: A): A => {
      if (isExempt()) return getRandomValues.call(globalThis.crypto, array as never) as A;
      if (array !== null) fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      return array;
    }),
    replace(prototype, "randomUUID", () => {
      if (isExempt()) return randomUUID.call(globalThis.crypto);
      const bytes = new Uint8Array(16);
      fill(bytes);
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
    }),
  ];
  return () => restores.forEach((restore) => restore());
}

/** What the backend schedules runs in virtual time. */
function sealTimers(timeline: Timeline, isExempt: IsExempt): () => void {
  const { setTimeout: realTimeout, setInterval: realInterval } = globalThis;
  const cancels = new Map<number, () => void>();
  let last = 0;
  const set = (callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    if (isExempt()) return realTimeout(callback, ms, ...args);
    const id = ++last;
    cancels.set(
      id,
      timeline.after(ms, () => {
        cancels.delete(id);
        timeline.timersGoneOff += 1;
        callback(...args);
      }),
    );
    return id;
  };
  const clear = (id?: number) => {
    cancels.get(id ?? 0)?.();
    cancels.delete(id ?? 0);
  };
  const repeat = (...all: Parameters<typeof setInterval>) => {
    if (isExempt()) return realInterval(...all);
    throw new Error("Nothing in a simulation repeats itself by an interval.");
  };
  const restores = [
    replace(globalThis, "setTimeout", set as unknown as typeof setTimeout),
    replace(globalThis, "clearTimeout", clear as unknown as typeof clearTimeout),
    replace(globalThis, "setInterval", repeat as unknown as typeof setInterval),
  ];
  return () => restores.forEach((restore) => restore());
}
