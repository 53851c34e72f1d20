// As an app's own tests: through the names of the package only.
import {
  anyApi,
  componentsGeneric,
  defineSchema,
  mutationGeneric,
  type DataModelFromSchemaDefinition,
} from "convex/server";
import { ConvexError, v } from "convex/values";
import { refuse, replicaTable, Replicate } from "convex-replicate";
import type { ComponentApi } from "convex-replicate/_generated/component";
import { ReplicaError } from "convex-replicate/client";
import { defineCollection, field } from "convex-replicate/collections";
import { createTestBackend, createTestReplica } from "convex-replicate/testing";
import { expect, test } from "vitest";

const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  scope: (row) => row.country,
});
const schema = defineSchema({ sites: replicaTable(sites) });
type DataModel = DataModelFromSchemaDefinition<typeof schema>;

const component = componentsGeneric()["replicate"] as unknown as ComponentApi;
const replicate = new Replicate<DataModel>(component, {
  user: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null,
});
replicate.collection(sites, {
  table: "sites",
  read: (_ctx, { scope }) => scope !== "XX",
  write: (_ctx, { user, after }) => {
    if (after?.name === "closed") throw refuse("This name is closed.");
    return user !== "guest";
  },
});
const functions = {
  ...replicate.api(),
  add: mutationGeneric({
    args: { name: v.string() },
    handler: async (ctx, { name }) => replicate.writer(ctx, sites).insert({ id: name, name, country: "FR" }),
  }),
};
const modules = {
  "./_generated/api.js": async () => ({}),
  "./replicate.ts": async () => functions,
};
const api = anyApi["replicate"]! as never;

async function open(options: { country?: string; identity?: { subject: string } } = {}) {
  const backend = createTestBackend({ schema, modules });
  return { backend, ...(await join(backend, options)) };
}

async function join(
  backend: ReturnType<typeof createTestBackend<typeof schema>>,
  { country = "FR", ...options }: { country?: string; identity?: { subject: string } } = {},
) {
  const opened = await createTestReplica({ backend, api, collections: [sites], ...options });
  opened.replica.subscribe(sites, { scopes: [country] });
  await opened.control.settle();
  return { ...opened, col: opened.replica.collection(sites) };
}

const gate = { id: "x", name: "Gate", country: "FR" };

test("what is written on one replica is on another, and in the app's table", async () => {
  const a = await open();
  const b = await join(a.backend);
  const transaction = a.col.insert(gate);
  expect(b.col.has("x")).toBe(false);
  await a.control.settle();
  await transaction.confirmed;
  expect(b.col.get("x")).toEqual({ ...gate, visits: 0, tags: [] });
  const rows = await a.backend.t.run(async (ctx) => ctx.db.query("sites").collect());
  expect(rows).toMatchObject([gate]);
});

test("what the app's own functions write arrives with the next settle", async () => {
  const { backend, col, control } = await open();
  await backend.t.mutation(anyApi["replicate"]!["add"]!, { name: "Bridge" });
  await control.settle();
  expect(col.get("Bridge")?.name).toBe("Bridge");
});

test("offline a write waits; online it is applied", async () => {
  const { col, control } = await open();
  control.offline();
  const transaction = col.insert(gate);
  await control.settle();
  expect([transaction.state, col.status("x")]).toEqual(["pending", "pending"]);
  control.online();
  await control.settle();
  expect([transaction.state, col.status("x")]).toEqual(["completed", "synced"]);
});

test("messages take as long as they are told to", async () => {
  const { backend, col, control } = await open();
  control.setNetworkDelay(10_000);
  const start = backend.clock.now();
  let confirmedAt = 0;
  void col.insert(gate).confirmed.then(() => (confirmedAt = backend.clock.now()));
  await control.settle();
  expect(confirmedAt - start).toBeGreaterThanOrEqual(20_000);
});

test("a push that fails is tried again; one that is refused fails, with the app's words", async () => {
  const { col, control } = await open();
  control.failNextPush(new Error("the server is restarted"));
  const transaction = col.insert(gate);
  await control.settle();
  expect(transaction.state).toBe("completed");
  expect(transaction.attempts).toMatchObject([{ error: { message: "the server is restarted" } }]);
  const refused = col.update("x", (draft) => void (draft.name = "closed"));
  await control.settle();
  const error: unknown = await refused.confirmed.catch((reason: unknown) => reason);
  expect(ReplicaError.is(error, "denied") && error.message).toBe("This name is closed.");
  expect(col.get("x")?.name).toBe("Gate");
});

test("a push that fails with a code is refused", async () => {
  const { col, control } = await open();
  control.failNextPush(new ConvexError({ code: "too_large", message: "That is too much." }));
  const transaction = col.insert(gate);
  await control.settle();
  expect([transaction.state, transaction.error?.code]).toEqual(["failed", "too_large"]);
});

test("a push counts once, whether its answer is lost or it arrives twice", async () => {
  const { col, control } = await open();
  col.insert(gate);
  await control.settle();
  control.dropNextResponse();
  col.update("x", (draft) => draft.visits.increment(1));
  await control.settle();
  control.duplicateNextPush();
  col.update("x", (draft) => draft.visits.increment(10));
  await control.settle();
  expect([col.get("x")?.visits, col.status("x")]).toEqual([11, "synced"]);
});

test("another device's rows come, new ones and changed ones; what is refused of them is told", async () => {
  const { col, control } = await open();
  col.insert({ ...gate, visits: 1, tags: ["a"] });
  await control.settle();
  control.emitUpdate([
    { ...gate, name: "West gate", visits: 5, tags: ["b"] },
    { id: "y", name: "Bridge", country: "FR" },
  ]);
  await control.settle();
  expect(col.get("x")).toEqual({ ...gate, name: "West gate", visits: 5, tags: ["b"] });
  expect(col.has("y")).toBe(true);
  control.emitUpdate([{ ...gate, name: "closed" }]);
  await expect(control.settle()).rejects.toThrow("This name is closed.");
});

test("what was stored before a crash is pushed by the next session on the device", async () => {
  const { backend, replica, col, control } = await open();
  control.offline();
  await col.insert(gate).durable;
  control.crash();
  const again = await createTestReplica({ backend, api, collections: [sites], device: control.device });
  await again.control.settle();
  expect(again.replica.collection(sites).status("x")).toBe("synced");
  expect(replica.status.get().pending).toBe(1); // nobody tells the dead
});

test("functions see the identity that a replica was given", async () => {
  const { col, control } = await open({ identity: { subject: "guest" } });
  const transaction = col.insert(gate);
  await control.settle();
  expect([transaction.state, transaction.error?.code]).toEqual(["failed", "denied"]);
});

test("what does not come to rest is named", async () => {
  const { control, col } = await open();
  for (let n = 0; n < 10_000; n++) control.failNextPush(new Error("down"));
  const { id } = col.insert(gate);
  await expect(control.settle()).rejects.toThrow(new RegExp(`transaction ${id} is p`));
});
