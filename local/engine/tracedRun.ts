// For tests: functions that conflict, schedule, wait and draw, and everything that an engine did with them, as text. As
// a program it prints that: two processes with one seed have to agree.
import { pathToFileURL } from "node:url";
import { actionGeneric, makeFunctionReference, mutationGeneric, queryGeneric } from "convex/server";
import { convexToJson, v, type Value } from "convex/values";
import { createHash } from "node:crypto";
import { JumpClock } from "../jumpClock.js";
import { startEngine } from "./engineUnderTest.js";

const mutation = (name: string) => makeFunctionReference<"mutation">(`tests:${name}`);

const functions = {
  next: mutationGeneric(async (ctx) => {
    const last = await ctx.db.query("rows").order("desc").first();
    const n = ((last?.["n"] as number | undefined) ?? 0) + 1;
    await ctx.db.insert("rows", { n, drawn: Math.random(), uuid: crypto.randomUUID(), at: Date.now() });
    return n;
  }),
  later: mutationGeneric({
    args: { n: v.number() },
    handler: async (ctx, { n }) => {
      const id = await ctx.scheduler.runAfter(n * 7, mutation(n % 3 === 0 ? "act" : "next"), {});
      if (n % 5 === 0) await ctx.scheduler.cancel(id);
      const { requestId } = await ctx.meta.getRequestMetadata();
      return [id, requestId];
    },
  }),
  act: actionGeneric(async (ctx) => {
    await Promise.all([ctx.runMutation(mutation("next"), {}), ctx.runMutation(mutation("next"), {})]);
  }),
  sum: queryGeneric(async (ctx) => (await ctx.db.query("rows").collect()).map(({ n }) => n as number)),
};

/** All that is committed, returned and run in the background, with what it cost in conflicts. */
export async function tracedRun(seed: number): Promise<string[]> {
  const clock = new JumpClock();
  const { engine, run } = await startEngine({ functions }, { clock, seed, readLatencyMs: [0, 20] });
  const trace: string[] = [];
  engine.onCommit(({ ts, source, writes }) =>
    trace.push(
      `commit ${ts} ${source} ${writes.map(({ table, id, after }) => `${table} ${id} ${shown(after)}`).join()}`,
    ),
  );
  engine.onBackgroundCall(({ path, cause, conflicts, error }) =>
    trace.push(`${cause} ${path} ${conflicts} ${error ?? ""}`),
  );
  const client = async (n: number) => {
    for (let turn = 0; turn < 4; turn++) {
      const name = ["next", "later", "sum"][(n + turn) % 3]!;
      const result = await run(name === "sum" ? "query" : "mutation", name, name === "later" ? { n } : {});
      trace.push(
        `${n} ${name} ${result.conflicts} ${result.ok ? JSON.stringify(result.value) : result.message}`,
      );
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, n) => client(n)));
  await new Promise<void>((resolve) => void clock.at(clock.now() + 1_000, resolve));
  await engine.settled();
  await engine.close();
  return trace;
}

function shown(document: unknown): string {
  return document === null ? "-" : JSON.stringify(convexToJson(document as Value));
}

export function hashOf(trace: readonly string[]): string {
  return createHash("sha256").update(trace.join("\n")).digest("hex");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  console.log(hashOf(await tracedRun(Number(process.argv[2]))));
