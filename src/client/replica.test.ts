import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createReplica } from "./createReplica.js";
import { createFieldApp, notes, sites } from "../testing/fieldApp.js";
import { berlin, many, SitesWorld, type OpenTab } from "../testing/testWorld.js";
import { defineCollection } from "../collections/index.js";
import { v } from "convex/values";

let world: SitesWorld;

beforeEach(() => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
});

afterEach(() => expect(world.errors).toEqual([]));

describe("replication", () => {
  test("an edit on A is on B, and in the app's table", async () => {
    const [a, b] = [await world.openReader(), await world.openReader()];
    a.col.insert({ ...berlin, visits: 2, tags: ["big"] });
    expect(a.col.get("x")).toEqual({ ...berlin, status: "open", visits: 2, tags: ["big"] });
    expect(a.col.status("x")).toBe("pending");
    await world.waitUntil(() => b.col.has("x"));
    expect(b.col.get("x")).toEqual(a.col.get("x"));
    await world.settled(a);
    expect(a.col.status("x")).toBe("synced");
    expect(await world.app.rows()).toEqual([a.col.get("x")]);
  });

  test("a collection without a table or a scope replicates too", async () => {
    const open = () => world.open({ collections: [notes, sites] });
    const [a, b] = [open(), open()];
    for (const { replica } of [a, b]) replica.subscribe(notes);
    a.col.insert({ id: "n", text: "hello" });
    await world.waitUntil(() => b.col.has("n"));
  });

  test("20 edits over 20 documents and 20 of one are one push", async () => {
    const sitesOnServer = many(21);
    await world.seed(...sitesOnServer);
    const a = await world.openReader();
    a.client.disconnect();
    for (const { id } of sitesOnServer.slice(0, 20))
      a.col.update(id, (draft) => void (draft.name = "changed"));
    for (let n = 0; n < 20; n++) a.col.update("d20", (draft) => draft.visits.increment());
    expect(a.replica.status.get().pending).toBe(40);
    a.client.reconnect();
    await world.settled(a);
    expect(world.network.calls.mutations).toBe(1);
    expect(await world.row("d20")).toMatchObject({ visits: 20 });
  });

  test("fault 4: I-2, I-4: what was written offline is there after a restart, and arrives once there is a network", async () => {
    await world.seed(berlin);
    const a = await world.openReader();
    a.client.disconnect();
    a.col.update("x", (draft) => void (draft.name = "Berlin Mitte"));
    await a.close();
    const again = world.open({ profile: a.profile, isOnline: false });
    await again.replica.ready;
    expect(again.col.get("x")?.name).toBe("Berlin Mitte");
    const subscription = again.replica.subscribe(sites, { scopes: ["DE"] });
    await subscription.loaded; // what is complete on the device needs no network
    again.client.reconnect();
    await world.settled(again);
    expect((await world.row("x"))?.name).toBe("Berlin Mitte");
  });

  test("I-7: another's change that arrives before our own was sent leaves ours in sight", async () => {
    await world.seed(berlin);
    const [a, b] = [await world.openReader(), await world.openReader()];
    const seen: (number | undefined)[] = [];
    a.col.subscribe(() => seen.push(a.col.get("x")?.visits));
    a.client.loseNextRequest();
    a.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => !a.client.connectionState().isWebSocketConnected);
    b.col.update("x", (draft) => void (draft.name = "by B"));
    await world.settled(b);
    a.client.reconnect();
    await world.settled(a);
    expect(new Set(seen)).toEqual(new Set([1]));
    expect(a.col.get("x")).toMatchObject({ name: "by B", visits: 1 });
    expect(await world.row("x")).toMatchObject({ name: "by B", visits: 1 });
  });

  test("I-6: a commit of 400 documents is shown whole to a client that catches up", async () => {
    await world.seed(berlin);
    const a = await world.openReader();
    a.client.disconnect();
    await world.seed(...many(400));
    const sizes = new Set<number>();
    a.col.subscribe(() => sizes.add(a.col.size));
    a.client.reconnect();
    await world.waitUntil(() => a.col.size > 1);
    expect([...sizes]).toEqual([401]);
  });

  test("a deleted and re-inserted id lives, and starts empty", async () => {
    const [a, b] = [await world.openReader(), await world.openReader()];
    a.col.insert({ ...berlin, visits: 5, tags: ["old"] });
    await world.waitUntil(() => b.col.has("x"));
    a.col.delete("x");
    a.col.insert({ ...berlin, name: "again" });
    await world.settled(a);
    const reborn = { ...berlin, name: "again", status: "open", visits: 0, tags: [] };
    await world.waitUntil(() => b.col.get("x")?.name === "again");
    expect([a.col.get("x"), b.col.get("x"), await world.row("x")]).toEqual([reborn, reborn, reborn]);
  });
});

test("a document that two devices delete offline is deleted, and nobody's delete fails", async () => {
  await world.seed(berlin);
  const [a, b] = [await world.openReader(), await world.openReader()];
  for (const { client, col } of [a, b]) {
    client.disconnect();
    col.delete("x");
  }
  for (const { client } of [a, b]) client.reconnect();
  await world.settled(a);
  await world.settled(b);
  expect([a, b].flatMap(({ replica }) => replica.transactions.list())).toEqual([]);
  expect(await world.app.rows()).toEqual([]);
});

describe("transactions", () => {
  test("I-6: a group is applied whole; over two scopes no counter is shown twice", async () => {
    await world.seed(berlin, { id: "p", name: "Paris", country: "FR" });
    const a = await world.openReader();
    a.replica.subscribe(sites, { scopes: ["FR"] });
    await world.waitUntil(() => a.col.has("p"));
    const seen = new Set<number>();
    a.col.subscribe(() => ["x", "p"].forEach((id) => seen.add(a.col.get(id)!.visits)));
    const group = a.replica.transact(
      () => ["x", "p"].forEach((id) => a.col.update(id, (draft) => draft.visits.increment())),
      { metadata: { reason: "round" } },
    );
    expect(group).toMatchObject({ metadata: { reason: "round" }, changes: [{ id: "x" }, { id: "p" }] });
    await world.waitUntil(() => group.state === "completed");
    expect([...seen]).toEqual([1]);
    expect((await world.app.rows()).map((row) => row.visits)).toEqual([1, 1]);
  });

  test("a group that throws makes nothing", async () => {
    await world.seed(berlin);
    const a = await world.openReader();
    const failing = () =>
      a.replica.transact(() => {
        a.col.update("x", (draft) => void (draft.name = "half"));
        a.col.delete("nowhere");
      });
    expect(failing).toThrow(/no document "nowhere"/);
    expect(a.col.get("x")?.name).toBe("Berlin");
    expect(a.replica.transactions.list()).toEqual([]);
  });

  test("writes in a group see the ones before them", async () => {
    const a = await world.openReader();
    a.replica.transact(() => {
      a.col.insert(berlin);
      a.col.update("x", (draft) => draft.visits.increment());
      expect(a.col.get("x")?.visits).toBe(1);
      a.col.delete("x");
      expect(a.col.has("x")).toBe(false);
    });
    await world.settled(a);
    expect(await world.app.rows()).toEqual([]);
  });

  test("I-1: a write is durable before it is sent, and says when", async () => {
    const a = await world.openReader();
    a.client.disconnect();
    const write = a.col.insert(berlin);
    expect(write.state).toBe("pending");
    await write.durable;
    expect(a.profile.database.data?.contents.outbox.size).toBe(1);
    a.client.reconnect();
    await world.waitUntil(() => write.state === "completed");
    await write.confirmed;
    expect(a.profile.database.data?.contents.outbox.size).toBe(0);
  });

  test("a write that cannot be stored fails, is told as data at risk, and shows the row as it was", async () => {
    const a = await world.openReader();
    const atRisk: boolean[] = [];
    a.replica.events.on("error", ({ dataAtRisk }) => atRisk.push(dataAtRisk));
    a.profile.database.failNextAppend = true;
    const write = a.col.insert(berlin);
    await expect(write.durable).rejects.toMatchObject({ code: "storage_full" });
    expect(write.state).toBe("failed");
    expect(a.col.has("x")).toBe(false);
    expect(atRisk).toEqual([true]);
    expect(world.errors.splice(0)).toHaveLength(1);
  });

  test("what changes nothing is completed at once, and sends nothing", async () => {
    await world.seed(berlin);
    const a = await world.openReader();
    const write = a.col.update("x", (draft) => void (draft.name = "Berlin"));
    expect(write.state).toBe("completed");
    await write.confirmed;
    expect(world.network.calls.mutations).toBe(0);
  });
});

describe("mistakes are told with their code, and change nothing", () => {
  const other = defineCollection("other", { fields: { n: v.number() } });
  type Wrong = never;
  const mistakes: [string, (tab: OpenTab) => unknown, string, RegExp][] = [
    ["inserting what is there", ({ col }) => col.insert(berlin), "exists", /has a document "x" already/],
    ["updating what is not", ({ col }) => col.update("y", () => {}), "unknown_document", /no document "y"/],
    ["deleting what is not", ({ col }) => col.delete("y"), "unknown_document", /no document "y"/],
    [
      "a wrong type",
      ({ col }) => col.insert({ ...berlin, id: "y", name: 3 as Wrong }),
      "invalid_row",
      /"name"/,
    ],
    [
      "a missing field",
      ({ col }) => col.insert({ id: "y", country: "DE" } as Wrong),
      "invalid_row",
      /"name"/,
    ],
    [
      "an unknown field",
      ({ col }) => col.insert({ ...berlin, id: "y", n: 1 } as Wrong),
      "invalid_row",
      /"n"/,
    ],
    ["an empty id", ({ col }) => col.insert({ ...berlin, id: "" }), "invalid_row", /1 to 256/],
    ["an async change", ({ col }) => col.update("x", (async () => {}) as Wrong), "invalid_row", /async/],
    ["an async group", ({ replica }) => replica.transact((async () => {}) as Wrong), "invalid_row", /async/],
    [
      "a foreign collection",
      ({ replica }) => replica.collection(other as Wrong),
      "unknown_collection",
      /"other"/,
    ],
    ["no scopes", ({ replica }) => replica.subscribe(sites, {} as Wrong), "invalid_row", /name the scopes/],
  ];

  test.each(mistakes)("%s", async (_name, make, code, message) => {
    await world.seed(berlin);
    const a = await world.openReader();
    const before = [...a.col.rows()];
    expect(() => make(a)).toThrow(expect.objectContaining({ name: "ReplicaError", code }));
    expect(() => make(a)).toThrow(message);
    expect([...a.col.rows()]).toEqual(before);
    expect(a.replica.transactions.list()).toEqual([]);
  });

  test("a closed replica says so, and clear() asks before it loses anything", async () => {
    const a = await world.openReader();
    a.client.disconnect();
    const write = a.col.insert(berlin);
    await write.durable;
    await expect(a.replica.clear()).rejects.toMatchObject({ code: "pending_writes" });
    await a.replica.clear({ discardPending: true });
    expect(() => a.replica.transact(() => {})).toThrow(expect.objectContaining({ code: "closed" }));
    expect(a.profile.database.data).toBeNull();
  });
});

describe("createReplica", () => {
  test("works in Node as it is: data in memory, and this is the only tab", async () => {
    const client = world.network.connect(world.app.t);
    const replica = createReplica({
      client,
      api: world.app.api,
      collections: [sites],
      name: "n",
      user: null,
    });
    replica.subscribe(sites, { scopes: ["DE"] });
    replica.collection(sites).insert(berlin);
    await replica.flush();
    expect(await world.row("x")).toMatchObject(berlin);
    expect(replica.status.get()).toMatchObject({ leader: true, pending: 0, connection: "connected" });
    await replica.close();
  });

  test("refuses two collections of one name", () => {
    const client = world.network.connect(world.app.t);
    const make = () =>
      createReplica({ client, api: world.app.api, collections: [sites, sites], name: "n", user: null });
    expect(make).toThrow(/same name: sites, sites/);
  });
});

describe("queries", () => {
  test("filter, sort and cut; the array is the same until a row in it changes", async () => {
    await world.seed(...["c", "a", "d", "b"].map((id) => ({ id, name: id.toUpperCase(), country: "DE" })));
    const a = await world.openReader();
    const query = a.col.query({ where: (row) => row.name !== "D", orderBy: ["name", "desc"], limit: 2 });
    let calls = 0;
    const stop = query.subscribe(() => calls++);
    expect(query.current.map((row) => row.id)).toEqual(["c", "b"]);
    const before = query.current;
    a.col.update("d", (draft) => draft.visits.increment());
    expect([calls, query.current === before]).toEqual([0, true]);
    a.col.update("a", (draft) => void (draft.name = "Z"));
    expect([calls, query.current.map((row) => row.id)]).toEqual([1, ["a", "c"]]);
    stop();
    a.col.delete("a");
    expect(calls).toBe(1);
    expect(query.current.map((row) => row.id)).toEqual(["c", "b"]);
    await world.settled(a);
  });
});
