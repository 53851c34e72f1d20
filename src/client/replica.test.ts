import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createReplica } from "./createReplica.js";
import { createFieldApp, notes, sites } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { berlin, many, SitesWorld, type OpenTab } from "../testing/testWorld.js";
import { defineCollection } from "../collections/index.js";
import { v } from "convex/values";

let world: SitesWorld;
let errors: Error[];

beforeEach(() => {
  errors = [];
  world = new SitesWorld(createFieldApp(), { onError: ({ error }) => errors.push(error) });
});

afterEach(() => expect(errors).toEqual([]));

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

describe("refusals", () => {
  beforeEach(() => world.seed(berlin, { id: "l", name: "Lëtzebuerg", country: "LU" }));

  test("I-4: a refused write falls back, fails with its reason, and takes with it what stands on it", async () => {
    const a = await world.openReader({ scopes: ["LU"] });
    a.client.loseNextRequest();
    const first = a.col.update("l", (draft) => draft.visits.increment());
    await world.waitUntil(() => first.state === "persisting");
    const second = a.col.update("l", (draft) => void (draft.name = "Luxembourg"));
    expect(second.state).toBe("queued");
    a.client.reconnect();
    await world.waitUntil(() => second.state === "failed");
    expect(first.error).toMatchObject({
      code: "denied",
      message: "Luxembourg is read-only.",
      data: { until: 2027 },
    });
    expect(second.error).toMatchObject({ code: "denied", transactionId: first.id });
    expect(a.col.get("l")).toMatchObject({ name: "Lëtzebuerg", visits: 0 });
    expect(a.col.status("l")).toBe("failed");
    await expect(first.confirmed).rejects.toMatchObject({ code: "denied" });
  });

  test("what is written after a refusal arrives", async () => {
    const a = await world.openReader({ scopes: ["LU"] });
    a.replica.subscribe(sites, { scopes: ["DE"] });
    await world.waitUntil(() => a.col.has("x"));
    const refused = a.col.update("l", (draft) => draft.visits.increment());
    await world.waitUntil(() => refused.state === "failed");
    a.col.update("x", (draft) => draft.visits.increment());
    await world.settled(a);
    expect((await world.row("x"))?.visits).toBe(1);
  });

  test("a failed transaction survives a restart, until it is retried or discarded", async () => {
    const a = await world.openReader({ scopes: ["LU"] });
    const refused = a.col.update("l", (draft) => draft.visits.increment());
    await world.waitUntil(() => refused.state === "failed");
    await a.close();
    const again = await world.openReader({ scopes: ["LU"], profile: a.profile });
    const [listed] = again.replica.transactions.list({ state: "failed", collection: sites, id: "l" });
    expect(listed).toMatchObject({ id: refused.id, state: "failed", error: { code: "denied" } });
    const retried = listed!.retry();
    expect(again.col.get("l")?.visits).toBe(1);
    await world.waitUntil(() => retried.state === "failed");
    expect(again.replica.transactions.list().map(({ id }) => id)).toEqual([retried.id]);
    retried.discard();
    expect(retried.state).toBe("discarded");
    expect(again.replica.transactions.list()).toEqual([]);
    expect(again.col.status("l")).toBe("synced");
    await again.replica.close();
    const last = world.open({ profile: a.profile });
    await last.replica.ready;
    expect(last.replica.transactions.list()).toEqual([]);
  });

  test("I-15: a write whose effect throws fails alone; what was sent with it is applied", async () => {
    const a = await world.openReader();
    const bad = a.col.insert({ id: "bad", name: "abort", country: "DE" });
    const good = a.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => good.state === "completed");
    expect(bad).toMatchObject({
      state: "failed",
      error: { code: "denied", message: "No site may have this name." },
    });
    expect(a.col.has("bad")).toBe(false);
    expect((await world.app.rows()).map((row) => row.id).sort()).toEqual(["l", "x"]);
  });

  test("an id that was inserted elsewhere first fails with `exists`", async () => {
    const a = world.open(); // does not read DE, so it cannot know
    const insert = a.col.insert({ ...berlin, name: "another" });
    await world.waitUntil(() => insert.state === "failed");
    expect(insert.error?.code).toBe("exists");
    expect((await world.row("x"))?.name).toBe("Berlin");
  });

  test("an insert of an id that was deleted unseen gives up with `exists` instead of trying for ever", async () => {
    await world.app.writer((writer) => writer.delete("x"));
    const a = world.open();
    const insert = a.col.insert({ ...berlin, name: "another" });
    await world.waitUntil(() => insert.state === "failed");
    expect(insert.error?.code).toBe("exists");
  });

  test("a scope that may not be read is denied, and holds up nothing", async () => {
    const a = await world.openReader();
    const subscription = a.replica.subscribe(sites, { scopes: ["XX"] });
    await world.waitUntil(() => subscription.state === "denied");
    a.col.update("x", (draft) => draft.visits.increment());
    await world.settled(a);
  });
});

describe("pushes that fail as a whole", () => {
  beforeEach(() => world.seed(berlin));

  test("an unknown error is told, and the same push is tried again after a while", async () => {
    const a = await world.openReader();
    a.client.failNextMutation(new Error("Server Error"));
    const start = world.clock.now();
    const write = a.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => write.state === "completed");
    expect(world.clock.now()).toBeGreaterThan(start + 50);
    expect((await world.row("x"))?.visits).toBe(1);
    expect(errors.splice(0)).toHaveLength(1);
  });

  test("a push refused whole is halved until the one that is to blame stands alone", async () => {
    await world.seed(...["p", "q", "r"].map((id) => ({ id, name: id, country: "DE" })));
    const a = await world.openReader();
    const refusal = () => Object.assign(new Error(), { data: { code: "too_large", message: "too large" } });
    for (let n = 0; n < 3; n++) a.client.failNextMutation(refusal());
    const writes = ["x", "p", "q", "r"].map((id) => a.col.update(id, (draft) => draft.visits.increment()));
    await world.settled(a);
    expect(writes.map(({ state }) => state)).toEqual(["failed", "completed", "completed", "completed"]);
    expect(writes[0]?.error?.code).toBe("too_large");
  });

  test("without the identity it belongs to a push waits; with it back it goes on", async () => {
    const ada = world.app.t.withIdentity({ subject: "ada", issuer: "test" });
    const a = await world.openReader({ functions: ada });
    a.col.update("x", (draft) => draft.visits.increment());
    await world.settled(a);
    await a.replica.close();
    const signedOut = world.open({ profile: a.profile });
    await signedOut.replica.ready;
    signedOut.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => signedOut.replica.status.get().blocked !== null);
    expect(signedOut.replica.status.get()).toMatchObject({
      pending: 1,
      failed: 0,
      blocked: { code: "denied" },
    });
    await signedOut.replica.close();
    const back = world.open({ profile: a.profile, functions: ada });
    await back.replica.ready;
    await world.settled(back);
    expect((await world.row("x"))?.visits).toBe(2);
    expect(back.replica.status.get().blocked).toBeNull();
  });

  test("a database that belongs to another user never pushes as this one, and loses nothing", async () => {
    const as = (subject: string) => world.app.t.withIdentity({ subject, issuer: "test" });
    const a = world.open({ functions: as("ada") });
    const first = a.col.insert({ ...berlin, id: "y" });
    await world.waitUntil(() => !["pending", "persisting"].includes(first.state));
    await a.replica.close();
    const b = world.open({ profile: a.profile, functions: as("bob") });
    await b.replica.ready;
    b.col.insert({ ...berlin, id: "z" });
    await world.waitUntil(() => b.replica.status.get().blocked !== null);
    expect(b.replica.status.get()).toMatchObject({ pending: 1, blocked: { code: "client_taken" } });
    expect(b.col.has("z")).toBe(true);
    expect((await world.app.rows()).map((row) => row.id).sort()).toEqual(["x", "y"]);
  });
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
    expect(errors.splice(0)).toHaveLength(1);
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

describe("subscriptions", () => {
  beforeEach(() => world.seed(berlin, { id: "p", name: "Paris", country: "FR" }));

  test("stop() takes the documents off the device, keepData keeps them", async () => {
    const a = world.open();
    const [german, french] = ["DE", "FR"].map((scope) => a.replica.subscribe(sites, { scopes: [scope] }));
    await world.waitUntil(() => a.col.size === 2);
    german!.stop();
    french!.stop({ keepData: true });
    await world.waitUntil(() => !a.col.has("x"));
    expect(a.col.has("p")).toBe(true);
    expect([...(a.profile.database.data?.contents.documents.keys() ?? [])]).toEqual(["sites\0p"]);
  });

  test("a scope that two subscriptions want stays until both have stopped", async () => {
    const a = world.open();
    const [one, two] = [1, 2].map(() => a.replica.subscribe(sites, { scopes: ["DE"] }));
    await world.waitUntil(() => a.col.has("x"));
    one!.stop();
    expect(a.replica.status.get().scopes).toHaveLength(1);
    two!.stop();
    await world.waitUntil(() => !a.col.has("x"));
  });

  test("a reopened scope that did not change costs one query", async () => {
    const a = await world.openReader();
    await a.close();
    const before = world.network.calls.queries;
    const again = await world.openReader({ profile: a.profile });
    expect(world.network.calls.queries - before).toBe(1);
    expect(again.replica.status.get().lastSyncAt).toBe(world.clock.now());
  });

  test("a document kept of a scope that is read no more keeps what is written to it", async () => {
    const a = world.open();
    const french = a.replica.subscribe(sites, { scopes: ["FR"] });
    await world.waitUntil(() => a.col.has("p"));
    french.stop({ keepData: true });
    const write = a.col.update("p", (draft) => draft.visits.increment());
    await world.waitUntil(() => write.state === "completed");
    expect(a.col.get("p")?.visits).toBe(1);
    expect((await world.row("p"))?.visits).toBe(1);
  });

  test("progress counts the entries of a first load, and loaded waits for all of them", async () => {
    await world.seed(...many(300));
    const a = world.open();
    const subscription = a.replica.subscribe(sites, { scopes: ["DE"] });
    const sizes = new Set<number>();
    subscription.subscribe(() => sizes.add(subscription.progress));
    await world.waitUntil(() => subscription.state === "live");
    await subscription.loaded;
    expect(a.col.size).toBe(301);
    expect([...sizes].sort((x, y) => x - y)).toEqual([0, 256, 301]);
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

describe("tabs of one profile", () => {
  test("I-19: see each other's writes at once, push through one, and hand over when it closes", async () => {
    await world.seed(berlin);
    const profile = new TestProfile();
    const first = await world.openReader({ profile });
    const second = await world.openReader({ profile });
    expect([first, second].map(({ replica }) => replica.status.get().leader)).toEqual([true, false]);
    await world.waitUntil(() => second.col.has("x"));
    second.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => first.col.get("x")?.visits === 1);
    await world.settled(second);
    expect((await world.row("x"))?.visits).toBe(1);
    first.client.disconnect();
    second.client.disconnect();
    first.col.update("x", (draft) => draft.visits.increment());
    second.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => [first, second].every(({ col }) => col.get("x")?.visits === 3));
    await first.replica.close();
    await world.waitUntil(() => second.replica.status.get().leader);
    second.client.reconnect();
    await world.settled(second);
    expect((await world.row("x"))?.visits).toBe(3);
  });

  test("a leader whose database cannot be taken over at first tries again", async () => {
    const profile = new TestProfile();
    profile.database.failNextTakeOver = true;
    const first = world.open({ profile });
    await world.waitUntil(() => first.replica.status.get().leader);
    expect(errors.splice(0)).toHaveLength(1);
  });

  test("a failed transaction that one tab discards is gone in the other", async () => {
    await world.seed({ id: "l", name: "l", country: "LU" });
    const profile = new TestProfile();
    const first = await world.openReader({ scopes: ["LU"], profile });
    const second = await world.openReader({ scopes: ["LU"], profile });
    first.col.update("l", (draft) => draft.visits.increment());
    await world.waitUntil(() => second.replica.transactions.list({ state: "failed" }).length === 1);
    second.replica.transactions.list()[0]!.discard();
    await world.waitUntil(() => first.replica.transactions.list().length === 0);
    expect(profile.database.data?.contents.outbox.size).toBe(0);
  });

  test("the leader reads what any tab wants, while it wants it", async () => {
    await world.seed(berlin, { id: "p", name: "Paris", country: "FR" });
    const profile = new TestProfile();
    const first = await world.openReader({ profile });
    const second = world.open({ profile });
    const french = second.replica.subscribe(sites, { scopes: ["FR"] });
    await french.loaded;
    await world.waitUntil(() => second.col.has("p") && first.col.has("p"));
    french.stop();
    await world.waitUntil(() => !first.col.has("p") && !second.col.has("p"));
    expect(first.col.has("x")).toBe(true);
  });
});
