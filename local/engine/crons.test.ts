import {
  anyApi,
  cronJobs,
  httpActionGeneric,
  httpRouter,
  internalActionGeneric,
  internalMutationGeneric,
  makeFunctionReference,
  queryGeneric,
} from "convex/server";
import { v } from "convex/values";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { DataDirectory } from "../durable/dataDirectory.js";
import { JumpClock } from "../jumpClock.js";
import type { BackgroundCall, Runtime } from "./engine.js";
import { LocalEngine } from "./localEngine.js";

const note = internalMutationGeneric({
  args: { text: v.string() },
  returns: v.null(),
  handler: async (ctx, { text }) => {
    await ctx.db.insert("notes", { text });
    return null;
  },
});
const list = queryGeneric({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").take(1000)).map((row) => row["text"] as string),
});

/** With a cron that notes `text` every minute. */
function withCron(text: string) {
  const crons = cronJobs();
  crons.interval(
    "note",
    { minutes: 1 },
    makeFunctionReference<"mutation">("notes:note") as never,
    { text } as never,
  );
  return { schema: null, modules: { notes: { note, list }, crons: { default: crons } } };
}
const appOf = (root: Runtime["root"], components: Runtime["components"] = []): Runtime => ({
  root,
  components,
});
const minuteMs = 60_000;

async function start(runtime: Runtime) {
  const clock = new JumpClock();
  const engine = new LocalEngine({ clock, seed: 1 });
  const made: BackgroundCall[] = [];
  engine.onBackgroundCall((call) => made.push(call));
  await engine.activate(runtime);
  const runs = () => made.filter(({ cause }) => cause === "cron").map(({ path }) => path);
  return { engine, runs, pass: (ms: number) => pass(clock, ms) };
}

/** Second by second: the clock does not wait for what runs. */
async function pass(clock: JumpClock, ms: number): Promise<void> {
  for (const end = clock.now() + ms; clock.now() < end;)
    await new Promise<void>((resolve) => void clock.at(clock.now() + 1_000, resolve));
}

test("crons of the app and of a component run, each in its own place, and stop when a push takes them away", async () => {
  const component = { path: "child", ...withCron("of the component") };
  const { engine, runs, pass } = await start(appOf(withCron("of the app"), [component]));
  await pass(2.5 * minuteMs);
  const count = (path: string) => runs().filter((each) => each === path).length;
  expect(Math.min(count("notes:note"), count("child/notes:note"))).toBeGreaterThanOrEqual(3); // at once, then every minute
  const query = { kind: "query", path: "notes:list", args: {}, identity: null } as const;
  const result = await engine.run(query);
  expect(new Set(result.ok ? (result.value as string[]) : [])).toEqual(new Set(["of the app"]));
  const { crons: _, ...left } = component.modules;
  await engine.activate(appOf(withCron("of the app"), [{ ...component, modules: left }]));
  const before = [count("notes:note"), count("child/notes:note")];
  await pass(3 * minuteMs);
  expect([count("notes:note") > before[0]!, count("child/notes:note")]).toEqual([true, before[1]]);
  await engine.close();
});

test("an HTTP action runs mutations, and tells what it threw", async () => {
  const { engine } = await start(appOf({ schema: null, modules: { notes: { note, list } } }));
  const router = httpRouter();
  router.route({
    path: "/note",
    method: "POST",
    handler: httpActionGeneric(async (ctx, request) => {
      const text = await request.text();
      if (text === "") throw new Error("There is nothing to note.");
      await ctx.runMutation(anyApi["notes"]!["note"] as never, { text } as never);
      return new Response("noted", { status: 201 });
    }),
  });
  const [handler] = router.lookup("/note", "POST")!;
  const post = (body: string) =>
    engine.runHttpAction(handler, "", new Request("http://site/note", { method: "POST", body }), null);
  expect((await post("a")).status).toBe(201);
  await expect(post("")).rejects.toThrow(/There is nothing to note/);
  const query = { kind: "query", path: "notes:list", args: {}, identity: null } as const;
  expect(await engine.run(query)).toMatchObject({ ok: true, value: ["a"] });
  await engine.close();
});

const noteByAction = internalActionGeneric({
  args: { text: v.string() },
  handler: async (ctx, args) =>
    void (await ctx.runMutation(makeFunctionReference<"mutation">("notes:note"), args)),
});
const oneCron = (functionPath: string) => {
  const crons = cronJobs();
  const called = makeFunctionReference<"mutation">(functionPath) as never;
  crons.interval("note", { minutes: 1 }, called, { text: "once" } as never);
  return appOf({ schema: null, modules: { notes: { note, noteByAction, list }, crons: { default: crons } } });
};

let data: string | null = null;
afterEach(() => {
  if (data !== null) fs.rmSync(data, { recursive: true });
  data = null;
});

test.each(["notes:note", "notes:noteByAction"])(
  "I-3: an engine that ends right after what %s wrote in a cron's run does not run it again",
  async (functionPath) => {
    data = fs.mkdtempSync(path.join(os.tmpdir(), "crons-"));
    const clock = new JumpClock();
    const directory = await DataDirectory.open(data, { fsync: "always" });
    let isOver = false;
    const append = directory.append.bind(directory);
    directory.append = (commit) => {
      if (!isOver) append(commit);
      isOver ||= commit.writes.some(({ table }) => table.endsWith(":notes"));
    };
    const first = await LocalEngine.open({ clock, seed: 1, data: directory });
    await first.activate(oneCron(functionPath));
    while (!isOver) await new Promise<void>((resolve) => void clock.at(clock.now(), resolve));
    await first.close();

    const second = await LocalEngine.open({ clock, seed: 2, data: await DataDirectory.open(data, {}) });
    await second.activate(oneCron(functionPath));
    await pass(clock, minuteMs / 2);
    const notes = await second.run({ kind: "query", path: "notes:list", args: {}, identity: null });
    expect(notes).toMatchObject({ ok: true, value: ["once"] });
    await second.close();
  },
);
