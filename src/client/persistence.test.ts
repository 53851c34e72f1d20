// Collections with a persist() of their own, through the real client.
import { beforeEach, expect, test } from "vitest";
import { createFieldApp, notes, sites } from "../testing/fieldApp.js";
import { SitesWorld, type OpenOptions } from "../testing/testWorld.js";
import { NonRetriableError, type PersistRequest, type RetryPolicy } from "./index.js";

let world: SitesWorld;

/** A call of `persist` or `awaitSync` that the test answers. */
interface Call extends PersistRequest {
  readonly kind: "persist" | "awaitSync";
  resolve(): void;
  reject(error: unknown): void;
}
let calls: Call[];

beforeEach(() => {
  world = new SitesWorld(createFieldApp());
  calls = [];
});

const answering = (kind: Call["kind"]) => (request: PersistRequest) =>
  new Promise<void>((resolve, reject) => void calls.push({ ...request, kind, resolve, reject }));

interface NotesOptions extends Pick<OpenOptions, "profile"> {
  readonly awaitsSync?: boolean;
  readonly retry?: RetryPolicy;
}

async function openTab({ awaitsSync = false, retry = {}, ...options }: NotesOptions = {}) {
  const tab = world.open({
    ...options,
    collections: [notes, sites],
    overrides: {
      notes: {
        persist: answering("persist"),
        ...(awaitsSync ? { awaitSync: answering("awaitSync") } : {}),
        retry: { delay: () => 1000, ...retry },
      },
    },
  });
  const errors: Error[] = [];
  tab.replica.events.on("error", ({ error }) => errors.push(error));
  await tab.replica.ready;
  return Object.assign(tab, { errors });
}
const called = async (count: number) => {
  await world.waitUntil(() => calls.length === count);
  return calls.at(-1)!;
};

test("a write goes to persist(), not to Convex; once it is there its row is the confirmed one, after a reload too", async () => {
  const a = await openTab();
  a.client.disconnect(); // it is another backend
  const write = a.col.insert({ id: "n", text: "hello" });
  expect(a.col.get("n")?.text).toBe("hello");
  const call = await called(1);
  expect(call).toMatchObject({
    kind: "persist",
    attempt: 1,
    transaction: { id: write.id, strategy: "ordered", metadata: {} },
    changes: [{ collection: "notes", id: "n", operations: [{ type: "insert" }] }],
  });
  expect([write.state, a.profile.database.data?.contents.outbox.size]).toEqual(["persisting", 1]);
  call.resolve();
  await world.waitUntil(() => write.state === "completed");
  await write.confirmed;
  expect(a.col.status("n")).toBe("synced");
  const change = a.col.update("n", (draft) => void (draft.text = "changed"));
  (await called(2)).resolve();
  await world.waitUntil(() => change.state === "completed");
  await a.replica.close();
  const again = await openTab({ profile: a.profile });
  expect(again.col.get("n")?.text).toBe("changed");
  again.col.delete("n");
  (await called(3)).resolve();
  await world.waitUntil(() => again.replica.transactions.list().length === 0);
  expect([again.col.has("n"), world.network.calls.mutations]).toEqual([false, 0]);
});

test("I-5: of one document one is under way at a time, in order; others go beside it", async () => {
  const a = await openTab();
  a.col.insert({ id: "n", text: "1" });
  const behind = a.col.update("n", (draft) => void (draft.text = "2"));
  a.col.insert({ id: "m", text: "1" });
  await called(2);
  expect(calls.map(({ changes }) => changes[0]!.id)).toEqual(["n", "m"]);
  expect([behind.state, behind.queuedBehind.length]).toEqual(["queued", 1]);
  calls[0]!.resolve();
  expect((await called(3)).transaction.id).toBe(behind.id);
});

test("what is persisted awaits its sync: a new leader asks for that again, and does not persist again", async () => {
  const a = await openTab({ awaitsSync: true });
  const write = a.col.insert({ id: "n", text: "hello" });
  (await called(1)).resolve();
  const sync = await called(2);
  expect([sync.kind, write.state]).toEqual(["awaitSync", "persisted_awaiting_sync"]);
  sync.reject(new Error("not yet"));
  expect((await called(3)).kind).toBe("awaitSync");
  expect(write).toMatchObject({
    state: "persisted_awaiting_sync",
    attempts: [{ error: { message: "not yet" } }],
  });
  a.tab.kill();
  const again = await openTab({ profile: a.profile, awaitsSync: true });
  expect(again.replica.transactions.list()[0]?.state).toBe("persisted_awaiting_sync");
  const asked = await called(4);
  expect(asked.kind).toBe("awaitSync");
  asked.resolve();
  await world.waitUntil(() => again.replica.transactions.list().length === 0);
  expect(again.col.get("n")?.text).toBe("hello");
});

test("a failed attempt is tried again without limit, or as often as the collection says", async () => {
  const a = await openTab({ retry: { attempts: 3 } });
  const write = a.col.insert({ id: "n", text: "hello" });
  for (const attempt of [1, 2, 3]) {
    const call = await called(attempt);
    expect(call).toMatchObject({ attempt, transaction: { id: write.id } });
    call.reject(new Error("503"));
  }
  await world.waitUntil(() => write.state === "failed");
  expect(write.error).toMatchObject({ code: "denied", message: expect.stringContaining("3 times: 503") });
  expect(write.attempts).toHaveLength(3);
  expect(a.col.has("n")).toBe(false);
  const retried = write.retry();
  const endless = await openTab();
  endless.col.insert({ id: "n", text: "hello" });
  for (let n = 5; n < 20; n++) (await called(n)).reject(new Error("offline"));
  expect(endless.replica.transactions.list().map(({ state }) => state)).not.toContain("failed");
  expect(retried.state).toBe("persisting");
});

test("NonRetriableError fails at once, with what stands on it, and nothing else", async () => {
  const a = await openTab();
  const write = a.col.insert({ id: "n", text: "bad" });
  const behind = a.col.update("n", (draft) => void (draft.text = "worse"));
  const other = a.col.insert({ id: "m", text: "good" });
  await called(2);
  calls[0]!.reject(new NonRetriableError("The note is too long."));
  calls[1]!.resolve();
  await world.settled(a);
  expect(write).toMatchObject({
    state: "failed",
    error: { code: "denied", message: "The note is too long." },
  });
  expect(behind.error).toMatchObject({ transactionId: write.id });
  expect([other.state, a.errors]).toEqual(["completed", []]);
});

test("I-19: close() aborts what is under way; the next leader calls it again, as the next attempt", async () => {
  const a = await openTab();
  a.col.insert({ id: "n", text: "hello" });
  const first = await called(1);
  expect(first.signal.aborted).toBe(false);
  await a.replica.close();
  expect(first.signal.aborted).toBe(true);
  first.resolve(); // too late: nobody can say
  const again = await openTab({ profile: a.profile });
  const second = await called(2);
  expect(second).toMatchObject({ attempt: 2, transaction: first.transaction });
  second.resolve();
  await world.waitUntil(() => again.replica.transactions.list().length === 0);
});

test("a transaction over such a collection and another is refused, and changes nothing", async () => {
  const a = await openTab();
  const both = () =>
    a.replica.transact(() => {
      a.col.insert({ id: "n", text: "hello" });
      a.replica.collection(sites).insert({ id: "x", name: "Berlin", country: "DE" });
    });
  expect(both).toThrow(expect.objectContaining({ code: "invalid_row" }) as Error);
  expect([a.col.size, a.replica.collection(sites).size, a.replica.transactions.list()]).toEqual([0, 0, []]);
});

test("I-15: a persist() that never answers holds up neither Convex's writes nor other documents'", async () => {
  const a = await openTab();
  a.col.insert({ id: "n", text: "hello" });
  await called(1);
  const site = a.replica.collection(sites).insert({ id: "x", name: "Berlin", country: "DE" });
  a.col.insert({ id: "m", text: "hello" });
  (await called(2)).resolve();
  await world.waitUntil(() => a.col.status("m") === "synced" && site.state === "completed");
  expect((await world.app.rows()).map(({ id }) => id)).toEqual(["x"]);
});
