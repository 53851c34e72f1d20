// As an app's own tests: through the names of the package only, but for the planted faults.
import {
  anyApi,
  componentsGeneric,
  defineSchema,
  defineTable,
  mutationGeneric,
  type DataModelFromSchemaDefinition,
  type FunctionReference,
  type GenericMutationCtx,
} from "convex/server";
import { v } from "convex/values";
import { refuse, replicaTable, Replicate } from "convex-replicate";
import type { ComponentApi } from "convex-replicate/_generated/component";
import type { ReplicaApi } from "convex-replicate/client";
import { defineCollection, field } from "convex-replicate/collections";
import {
  simulate,
  SimulationError,
  type SimulateOptions,
  type SimulationScript,
} from "convex-replicate/testing";
import { expect, test } from "vitest";
import { AppUnderTest } from "./simulate.js";

/** In teams, whose members alone may read it; its rows are in a table of another name. */
const tasks = defineCollection("tasks", {
  fields: {
    team: v.string(),
    title: v.string(),
    state: v.union(v.literal("open"), v.literal("done")),
    due: v.optional(v.number()),
    votes: field.counter(),
    labels: field.set(v.string()),
  },
  defaults: { state: "open" },
  scope: (row) => row.team,
});
/** For everybody, without scopes, and without rows in the app. */
const settings = defineCollection("settings", { fields: { value: v.string(), edits: field.counter() } });

const schema = defineSchema({
  taskRows: replicaTable(tasks, { rank: v.optional(v.number()) }),
  members: defineTable({ user: v.string(), team: v.string() }).index("by_user", ["user", "team"]),
});
type DataModel = DataModelFromSchemaDefinition<typeof schema>;

interface Faults {
  /** The app's own hook spoils its row. */
  readonly spoilsRows?: boolean;
  /** Its functions take everybody for nobody. */
  readonly knowsNobody?: boolean;
}

function createApp({ spoilsRows = false, knowsNobody = false }: Faults = {}) {
  const component = componentsGeneric()["replicate"] as unknown as ComponentApi;
  const replicate = new Replicate<DataModel>(component, {
    user: async (ctx) => (knowsNobody ? null : ((await ctx.auth.getUserIdentity())?.subject ?? null)),
  });
  replicate.collection(tasks, {
    table: "taskRows",
    read: async (ctx, { user, scope }) =>
      user !== null &&
      (await ctx.db
        .query("members")
        .withIndex("by_user", (q) => q.eq("user", user).eq("team", scope))
        .first()) !== null,
    write: (_ctx, { user, scope, after }) => {
      if (after?.title === "forbidden") throw refuse("No task has this title.");
      return user !== null && scope !== "closed";
    },
    onWrite: async (ctx, { id, after }) => {
      if (after?.state === "done" && after.due !== undefined) await countDone(ctx);
      if (!spoilsRows || after === null || after.votes < 3) return;
      const row = await ctx.db
        .query("taskRows")
        .withIndex("by_replica_id", (q) => q.eq("id", id))
        .unique();
      if (row !== null) await ctx.db.patch(row._id, { title: "spoilt" });
    },
  });
  replicate.collection(settings, { read: () => true, write: () => true });
  /** A hook that writes another document, in the same transaction. */
  const countDone = async (ctx: GenericMutationCtx<DataModel>) => {
    const writer = replicate.writer(ctx, settings);
    if ((await writer.get("done")) === null) await writer.insert({ id: "done", value: "tasks", edits: 1 });
    else await writer.update("done", (draft) => draft.edits.increment());
  };
  const functions = {
    ...replicate.api(),
    join: mutationGeneric({
      args: { user: v.string(), team: v.string() },
      handler: async (ctx, member) => void (await ctx.db.insert("members", member)),
    }),
    quit: mutationGeneric({
      args: { user: v.string(), team: v.string() },
      handler: async (ctx, { user, team }) => {
        const all = await ctx.db.query("members").take(100);
        for (const row of all) if (row["user"] === user && row["team"] === team) await ctx.db.delete(row._id);
      },
    }),
    /** In the background, when its time has come. */
    reopen: mutationGeneric({
      args: { id: v.string() },
      handler: async (ctx, { id }) => {
        const all = await ctx.db.query("taskRows").take(100);
        if (!all.some((row) => row["id"] === id)) return;
        await replicate.writer(ctx, tasks).update(id, (draft) => void (draft.state = "open"));
      },
    }),
    close: mutationGeneric({
      args: { id: v.string() },
      handler: async (ctx, { id }) => {
        const row = await ctx.db
          .query("taskRows")
          .withIndex("by_replica_id", (q) => q.eq("id", id))
          .unique();
        if (row === null) throw refuse("There is no such task.");
        await replicate.writer(ctx, tasks).update(id, (draft) => {
          draft.state = "done";
          draft.votes.increment(10);
        });
        await ctx.scheduler.runAfter(5000, api.reopen as never, { id } as never);
      },
    }),
  };
  return { "./_generated/api.js": async () => ({}), "./replicate.ts": async () => functions };
}

const api = anyApi["replicate"] as unknown as ReplicaApi &
  Record<"join" | "quit" | "close" | "reopen", Mutation>;
type Mutation = FunctionReference<"mutation">;
const teams = ["red", "blue"];
const users = ["anna", "ben"];

type Options = SimulateOptions<[typeof tasks, typeof settings], typeof schema>;

function optionsOf(faults?: Faults): Options {
  return {
    schema,
    modules: createApp(faults),
    api,
    collections: [tasks, settings],
    tables: { tasks: "taskRows" },
    users: users.map((subject) => ({ subject })),
    subscriptions: { tasks: teams, settings: true },
    setUp: async ({ t }) => {
      for (const user of users) for (const team of teams) await t.mutation(api.join, { user, team });
    },
    writes: {
      add: ({ replica, random }) => {
        const all = replica.collection(tasks);
        const id = random.pick(["a", "b", "c", "d"])!;
        if (!all.has(id)) all.insert({ id, team: random.pick(teams)!, title: random.word(), votes: 1 });
      },
      edit: ({ replica, random }) => {
        const all = replica.collection(tasks);
        const row = random.pick(all.rows());
        if (row === undefined) return;
        all.update(row.id, (draft) => {
          if (random.chance(0.5)) draft.title = random.chance(0.1) ? "forbidden" : random.word();
          if (random.chance(0.3)) draft.votes.increment(1 + random.below(3));
          if (random.chance(0.3)) draft.labels.add(random.pick(["x", "y"])!);
          if (random.chance(0.2)) draft.labels.delete("x");
          if (random.chance(0.2)) draft.team = random.pick([...teams, "closed"])!;
          if (random.chance(0.5)) draft.due = random.below(10);
          else delete draft.due;
        });
      },
      remove: ({ replica, random }) => {
        const row = random.pick(replica.collection(tasks).rows());
        if (row !== undefined && random.chance(0.3)) replica.collection(tasks).delete(row.id);
      },
      set: ({ replica, random }) => {
        const all = replica.collection(settings);
        if (!all.has("colour")) all.insert({ id: "colour", value: random.word() });
        replica.transact(() => {
          all.update("colour", (draft) => {
            draft.value = random.word();
            draft.edits.increment();
          });
          const row = random.pick(replica.collection(tasks).rows());
          if (row !== undefined) replica.collection(tasks).update(row.id, (draft) => draft.votes.increment());
        });
      },
    },
    serverWrites: {
      close: ({ t, random }) => t.mutation(api.close, { id: random.pick(["a", "b"]) }),
      member: ({ t, random }) => {
        const member = { user: random.pick(users), team: random.pick(teams) };
        return t.mutation(random.chance(0.5) ? api.join : api.quit, member);
      },
    },
  };
}

/** SEED and NUM_RUNS: others than the fixed ones. */
const from = Number(process.env["SEED"] ?? 1);
const seeds = Number(process.env["NUM_RUNS"] ?? 10);

test(
  "whatever befalls devices and network, an app's replicas come to rest and are equal",
  async () => {
    const simulated = await simulate({ ...optionsOf(), from, seeds });
    expect(simulated.seeds).toBe(seeds);
    expect(simulated.steps).toBeGreaterThan(20 * seeds);
  },
  60_000 + seeds * 5000,
);

async function failureOf(options: Options): Promise<SimulationError> {
  const error = await simulate(options).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SimulationError);
  return error as SimulationError;
}

test("a fault of the app is found, by few steps, which show it again", async () => {
  const options = optionsOf({ spoilsRows: true });
  const error = await failureOf({ ...options, seeds: 20 });
  expect(error.invariant).toBe("I-9");
  expect(error.script.steps.length).toBeLessThan(8);
  expect(error.message).toContain(`Seed ${error.seed} shows a fault: I-9: the app's row of`);
  const script = JSON.parse(JSON.stringify(error.script)) as SimulationScript;
  const again = await failureOf({ ...options, script });
  expect([again.invariant, again.script]).toEqual(["I-9", script]);
  expect(await simulate({ ...optionsOf(), script })).toEqual({ seeds: 1, steps: script.steps.length });
}, 60_000);

test("what the app's own check finds is told, and by which steps", async () => {
  const error = await failureOf({
    ...optionsOf(),
    seeds: 20,
    check: async ({ t, replicas }) => {
      expect(replicas.length).toBeGreaterThan(0);
      const rows = await t.run((ctx) => ctx.db.query("taskRows").take(100));
      expect(rows.filter(({ votes }) => votes > 10)).toEqual([]);
    },
  });
  expect(error.invariant).toBe("check");
  expect(error.script.steps.map((step) => step.do)).toContain("serverWrite");
  expect(error.script.steps.length).toBeLessThan(8);
}, 60_000);

test("what a write of the app throws is told by its name", async () => {
  const { writes, ...options } = optionsOf();
  const wrong = ({ replica }: Parameters<(typeof writes)["add"]>[0]) =>
    void replica.collection(tasks).delete("?");
  const error = await failureOf({ ...options, writes: { ...writes, wrong } });
  expect(error.invariant).toBe("writes.wrong");
  expect(error.message).toContain("writes.wrong: ");
  expect(error.script.steps).toMatchObject([{ do: "write", write: "wrong" }]);
});

test("a write that goes on behind the simulation's back is refused", async () => {
  const later = async () => {};
  const error = await failureOf({ ...optionsOf(), writes: { later } });
  expect(error.message).toContain("writes.later: TypeError: it must not be async");
});

test("I-20: the same seed gives the same trace, whatever ran before it", async () => {
  const app = new AppUnderTest(optionsOf() as never);
  for (const seed of [3, 8]) {
    const first = await app.run(app.script(seed));
    const second = await app.run(app.script(seed));
    expect(second.trace).toEqual(first.trace);
    expect(second.hash).toBe(first.hash);
    expect(first.trace.length).toBeGreaterThan(50);
  }
  const { seed, ...script } = app.script(3);
  const [a, b] = [await app.run({ ...script, seed }), await app.run({ ...script, seed: 4 })];
  expect(a.hash).not.toBe(b.hash);
});

test("an app that signs nobody in, and is told that its users are, is told why nothing is pushed", async () => {
  const error = await failureOf({ ...optionsOf({ knowsNobody: true }), steps: 6 });
  expect([error.invariant, error.script.steps.length]).toEqual(["I-19", 1]);
  expect(error.message).toContain("pending (Your writes wait until you are signed in again.)");
}, 60_000);

test("one simulation at a time has the machine's clock", async () => {
  const first = simulate({ ...optionsOf(), seeds: 1 });
  await expect(simulate({ ...optionsOf(), seeds: 1 })).rejects.toThrow("One simulation at a time");
  expect(await first).toMatchObject({ seeds: 1 });
});

test("what a test must say of an app, and has not, is told", async () => {
  const options = optionsOf();
  await expect(simulate({ ...options, subscriptions: {} })).rejects.toThrow("devices have to read something");
  await expect(simulate({ ...options, subscriptions: { others: true } as never })).rejects.toThrow(
    '"others"',
  );
  await expect(simulate({ ...options, writes: {} })).rejects.toThrow("people have to do something");
  await expect(simulate({ ...options, tables: { tasks: "members" } })).rejects.toThrow(
    'no replicaTable "members"',
  );
});

test.each([
  [{ seeds: 0 }, "seeds: 0 is no whole number of at least 1"],
  [{ seeds: NaN }, "seeds: NaN"],
  [{ from: 1.5 }, "from: 1.5"],
  [{ steps: -1 }, "steps: -1"],
])("%o, which would run nothing and pass, is refused", async (given, message) => {
  await expect(simulate({ ...optionsOf(), ...given })).rejects.toThrow(message);
});

test("a script that was kept, and is of another app by now, is refused", async () => {
  const devices = [{ user: "anna", wants: [{ collection: "tasks", scope: "red" }], tabs: 1 }];
  const refusalOf = (script: unknown) =>
    simulate({ ...optionsOf(), script: script as SimulationScript }).then(
      () => null,
      (error: Error) => error.message,
    );
  const withStep = (step: unknown) => refusalOf({ seed: 1, devices, steps: [{ do: "pass", ms: 1 }, step] });
  const aimed = { device: 0, tab: 0, seed: 1 };
  expect(await withStep({ do: "pass", ms: 1 })).toBeNull();
  expect(await refusalOf({})).toContain("one that a failure has printed");
  expect(await withStep({ do: "write", ...aimed, write: "gone" })).toContain(
    'step 2: there is no "gone" in the test\'s writes',
  );
  expect(await withStep({ do: "serverWrite", seed: 1, write: "gone" })).toContain(
    'no "gone" in the test\'s serverWrites',
  );
  expect(await withStep({ do: "newEpoch", collection: "gone" })).toContain(
    'no "gone" in the test\'s collections',
  );
  expect(await withStep({ do: "dance" })).toContain('step 2 is {"do":"dance"}');
  const [device] = devices;
  const withDevice = (other: object) => refusalOf({ seed: 1, devices: [{ ...device, ...other }], steps: [] });
  expect(await withDevice({ wants: [{ collection: "gone", scope: "" }] })).toContain(
    'no "gone" in the test\'s collections',
  );
  expect(await withDevice({ user: "gone" })).toContain('no "gone" in the test\'s users');
});
