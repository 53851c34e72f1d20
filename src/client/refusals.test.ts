// What becomes of writes that the server refuses, one by one and a push at a time.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { berlin, SitesWorld } from "../testing/testWorld.js";

let world: SitesWorld;

beforeEach(() => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
});

afterEach(() => expect(world.errors).toEqual([]));

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
    expect(world.errors.splice(0)).toHaveLength(1);
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
