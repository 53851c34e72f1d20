// What a function finds around it.
import { actionGeneric as action, mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

/** Some tens of milliseconds of work, without a clock. */
function work(): number {
  let sum = 0;
  for (let at = 0; at < 30_000_000; at += 1) sum = (sum + at) % 1_000_003;
  return sum;
}

function times(): number[] {
  const before = [Date.now(), new Date().getTime()];
  if (work() < 0) throw new Error("unreachable");
  return [...before, Date.now(), new Date().getTime()];
}

export const timesInQuery = query({ args: {}, handler: times });
export const timesInMutation = mutation({
  args: {},
  handler: async (ctx) => {
    const before = times();
    await ctx.db.insert("rows", {});
    return [...before, ...times()];
  },
});

export const dates = query({
  args: {},
  handler: () => {
    const date = new Date(2020, 0, 1);
    const isDate = date instanceof Date && Object.prototype.toString.call(date) === "[object Date]";
    return {
      isDate,
      utc: Date.UTC(2020, 0, 1),
      parsed: Date.parse("2020-01-01T00:00:00Z"),
      year: date.getFullYear(),
    };
  },
});

const random = () => ({
  numbers: [Math.random(), Math.random(), Math.random()],
  bytes: [...crypto.getRandomValues(new Uint8Array(16))],
  uuids: [crypto.randomUUID() as string, crypto.randomUUID() as string],
});
export const randomInQuery = query({ args: {}, handler: random });
export const randomInMutation = mutation({ args: {}, handler: random });

export const digest = query({
  args: {},
  handler: () => crypto.subtle.digest("SHA-256", new TextEncoder().encode("abc")),
});

const asked = { what: v.union(v.literal("fetch"), v.literal("setTimeout"), v.literal("setInterval")) };
async function use({ what }: { what: "fetch" | "setTimeout" | "setInterval" }): Promise<string> {
  if (what === "fetch") await fetch("data:,");
  else if (what === "setTimeout") await new Promise<void>((resolve) => void setTimeout(resolve, 0));
  else
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        clearInterval(timer);
        resolve();
      }, 0);
    });
  return "used";
}
export const useInQuery = query({ args: asked, handler: (_ctx, args) => use(args) });
export const useInMutation = mutation({
  args: asked,
  handler: async (ctx, args) => {
    await ctx.db.insert("rows", {});
    return use(args);
  },
});
export const useInAction = action({ args: asked, handler: (_ctx, args) => use(args) });

function log(): void {
  console.log("words", 1, { a: [true] });
  console.warn("beware");
  console.error("wrong");
}
export const logInQuery = query({ args: {}, handler: log });
export const logThenThrow = mutation({
  args: {},
  handler: () => {
    log();
    throw new Error("after logging");
  },
});
