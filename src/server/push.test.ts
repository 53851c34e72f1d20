import { beforeEach, expect, test, vi } from "vitest";
import { sites } from "../testing/fieldApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { startCursor } from "../shared/wire.js";
import { refuse } from "./index.js";

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  app = createServerApp();
  device = new PushDevice(app, 11);
});
const site = { id: "x", name: "n", country: "DE", status: "open", visits: 0, tags: [] };
const statuses = (results: readonly { status: string }[]) => results.map(({ status }) => status);

test("a push is a row in the app's table and an entry of the scope's stream, at one timestamp", async () => {
  expect(await device.send(device.insert("x"))).toEqual([{ ids: ["client11-0"], status: "applied" }]);
  expect(await app.rows()).toEqual([{ _id: expect.any(String), ...site }]);
  const page = await app.pull({ collection: "sites", scope: "DE", cursor: startCursor });
  expect(page).toMatchObject({
    type: "page",
    epoch: "0",
    entries: [{ document: "x", type: "update", client: "client11", transactions: ["client11-0"] }],
    done: true,
  });
});

test("two devices' concurrent writes merge: different fields both count, increments add up", async () => {
  const other = new PushDevice(app, 22);
  await device.send(device.insert("x"));
  await other.pull();
  const increment = { type: "increment", field: "visits", by: 2 } as const;
  await device.send(device.change("x", [{ type: "set", field: "name", value: "A" }, increment]));
  await other.send(other.change("x", [{ type: "set", field: "note", value: "B" }, increment]));
  expect(await app.rows()).toMatchObject([{ name: "A", note: "B", visits: 4 }]);
});

test("I-3: a push sent again takes no effect again, and every transaction has the same outcome as before", async () => {
  await device.send(device.insert("x"));
  const transactions = [
    device.transaction([device.change("x", [{ type: "increment", field: "visits", by: 1 }])], ["a", "b"]),
    device.transaction([device.insert("y", { name: "forbidden" })]),
    device.transaction([device.insert("z", { country: "LU" })]),
  ];
  const first = await device.push(transactions);
  const before = await app.everything();
  const again = await device.push(transactions);
  expect(statuses(first)).toEqual(["applied", "rejected", "rejected"]);
  expect(statuses(again)).toEqual(["duplicate", "rejected", "rejected"]);
  const row = (await app.tables())["receipts"]!.find(
    (each) => "transaction" in each && each.transaction === "a",
  );
  expect(again[0]).toMatchObject({ ts: (row as { ts: bigint }).ts });
  expect(again.slice(1)).toEqual(first.slice(1));
  expect(again[2]).toMatchObject({ code: "denied", message: /read-only/, data: { until: 2027 } });
  expect(await app.everything()).toEqual(before);
  expect(await app.rows()).toMatchObject([{ visits: 1 }]);
});

test("I-3, I-15: what is coalesced with an answered transaction is a gap: not applied a second time, and not refused for good", async () => {
  await device.push([device.transaction([device.insert("x")], ["a"])]);
  // As one of the two was sent alone: a late copy of a push that was a gap, and was authored again since.
  const mixed = device.transaction([device.set("x", "name", "B")], ["a", "b"]);
  const before = await app.everything();
  expect(statuses(await device.push([mixed]))).toEqual(["gap"]);
  expect(await app.everything()).toEqual(before);
  const { client } = device;
  expect(await app.t.query(app.api.status, { client, transactions: ["a", "b"] })).toEqual([
    { id: "a", status: "applied" },
    { id: "b", status: "unknown" },
  ]);
  const again = new PushDevice(app, 12, client);
  await again.pull();
  const alone = again.transaction([again.set("x", "name", "B")], ["b"]);
  expect(statuses(await again.push([alone]))).toEqual(["applied"]);
  expect(await app.rows()).toMatchObject([{ name: "B" }]);
});

test("I-6: one refused operation, and nothing of its transaction is applied, whatever its place", async () => {
  for (const place of [0, 1, 2]) {
    const operations = ["a", "b", "c"].map((id, index) =>
      device.insert(`${id}${place}`, index === place ? { name: "forbidden" } : {}),
    );
    expect(statuses(await device.push([device.transaction(operations)]))).toEqual(["rejected"]);
  }
  expect(await app.rows()).toEqual([]);
  const { deltas, authors, receipts } = await app.tables();
  expect([deltas, authors, receipts!.length]).toEqual([[], [], 3]);
});

test("I-15: a refused, a gapped and an unreadable transaction do not keep the others of a push from being applied", async () => {
  device.insert("lost"); // never sent
  const bad = { collection: "sites", document: "bad", part: "", schemaVersion: 1, bytes: new ArrayBuffer(9) };
  const results = await device.send(
    device.insert("a"),
    device.insert("b", { name: "forbidden" }),
    device.set("lost", "name", "x"),
    bad,
    { ...bad, document: "c", collection: "nothing" },
    device.insert("d"),
  );
  expect(statuses(results)).toEqual(["applied", "rejected", "gap", "rejected", "rejected", "applied"]);
  expect(results.slice(3, 5)).toMatchObject([{ code: "invalid_update" }, { code: "unknown_collection" }]);
  expect((await app.rows()).map(({ id }) => id)).toEqual(["a", "d"]);
  const receipts = (await app.tables())["receipts"]!;
  expect(receipts.length).toBe(5); // a gap is no outcome
});

test("a gapped transaction is applied once it is authored again, under another Yjs id, on what the server holds", async () => {
  await device.send(device.insert("x"));
  device.set("x", "name", "lost"); // never sent
  const gapped = [device.transaction([device.set("x", "note", "B")], ["t"])];
  expect(statuses(await device.push(gapped))).toEqual(["gap"]);
  const again = new PushDevice(app, 12, device.client);
  await again.pull();
  expect(statuses(await again.push([again.transaction([again.set("x", "note", "B")], ["t"])]))).toEqual([
    "applied",
  ]);
  expect(await app.rows()).toMatchObject([{ name: "n", note: "B" }]);
});

test("the server's own fields of a row survive a push; a removed optional field is gone; a delete takes the row", async () => {
  await device.send(device.insert("x", { note: "old" }));
  await app.t.run(async (ctx) => {
    const row = await ctx.db.query("sites").first();
    await ctx.db.patch(row!._id, { score: 7 });
  });
  await device.send(device.change("x", [{ type: "set", field: "note", value: undefined }]));
  expect(await app.rows()).toEqual([{ _id: expect.any(String), ...site, score: 7 }]);
  await device.send(device.change("x", [{ type: "delete" }]));
  expect(await app.rows()).toEqual([]);
});

test("lives of a document: inserted twice is `exists`, changed after its deletion `unknown_document`, inserted again is new", async () => {
  const [late, gone] = [new PushDevice(app, 22), new PushDevice(app, 33)];
  await device.send(device.insert("x", { note: "first" }));
  await gone.pull();
  expect(await late.send(late.insert("x"))).toMatchObject([{ status: "rejected", code: "exists" }]);
  await device.send(device.change("x", [{ type: "delete" }]));
  expect(await gone.send(gone.set("x", "name", "late"))).toMatchObject([{ code: "unknown_document" }]);
  const unaware = new PushDevice(app, 44);
  expect(statuses(await unaware.send(unaware.insert("x")))).toEqual(["gap"]);
  await device.send(device.insert("x"));
  expect(await app.rows()).toEqual([{ _id: expect.any(String), ...site }]);
});

test("hooks see the rows as merged, with their scopes, in a union over insert, update and delete", async () => {
  const [write, onWrite] = [vi.fn((_request: unknown) => true), vi.fn()];
  app = createServerApp(() => ({
    write: (_ctx, request) => write(request),
    onWrite: (_ctx, notice) => onWrite(notice),
  }));
  device = new PushDevice(app, 11);
  await device.send(device.insert("x"));
  await device.send(device.set("x", "name", "B"));
  await device.send(device.change("x", [{ type: "delete" }]));
  const [a, b] = [site, { ...site, name: "B" }];
  const base = { id: "x", user: null };
  const changes = [
    { ...base, type: "insert", before: null, after: a },
    { ...base, type: "update", before: a, after: b },
    { ...base, type: "delete", before: b, after: null },
  ];
  expect(write.mock.calls.flat()).toEqual(
    changes.map((each, index) => ({ ...each, scope: "DE", previousScope: index === 0 ? null : "DE" })),
  );
  expect(onWrite.mock.calls.flat()).toEqual(changes.map((each) => ({ ...each, source: "client" })));
});

test("fault 17: a write is authorised on the merged row, not on the one that its sender has before it", async () => {
  await device.send(device.insert("x"));
  await app.writer((writer) => writer.update("x", (draft) => void (draft.country = "LU"))); // unseen by the device
  expect(await device.send(device.set("x", "name", "B"))).toMatchObject([
    { status: "rejected", code: "denied", message: "Luxembourg is read-only." },
  ]);
  expect(await app.rows()).toMatchObject([{ name: "n", country: "LU" }]);
});

test("`write` must answer true: anything else, a promise of it too, is a refusal", async () => {
  app = createServerApp(() => ({ write: async () => "yes" as unknown as boolean }));
  device = new PushDevice(app, 11);
  expect(await device.send(device.insert("x"))).toMatchObject([{ status: "rejected", code: "denied" }]);
});

test("I-6: an `onWrite` that refuses takes the push back whole, and names its transaction for the client to isolate", async () => {
  app = createServerApp(() => ({
    onWrite: (_ctx, { after }) => {
      if (after?.name === "abort") throw refuse("No site may have this name.", { name: "abort" });
    },
  }));
  device = new PushDevice(app, 11);
  const before = await app.everything();
  const transactions = [
    device.transaction([device.insert("x")], ["t1"]),
    device.transaction([device.insert("y", { name: "abort" })], ["t2", "t3"]),
  ];
  expect(await refusalOf(device.push(transactions))).toEqual({
    code: "denied",
    message: "No site may have this name.",
    data: { name: "abort" },
    transactions: ["t2", "t3"],
  });
  expect(await app.everything()).toEqual(before);
  expect(statuses(await device.push(transactions.slice(0, 1)))).toEqual(["applied"]);
});

test.each(["write", "onWrite"] as const)(
  "I-15: a `%s` that fails is a coded refusal of the push, so that the client can find out which transaction it is",
  async (hook) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    app = createServerApp(() => ({
      [hook]: (_ctx: unknown, { after }: { after: { name: string } }) => {
        if (after.name === "bug") throw new TypeError("secret detail");
        return true;
      },
    }));
    device = new PushDevice(app, 11);
    const refusal = await refusalOf(device.send(device.insert("x"), device.insert("y", { name: "bug" })));
    expect(refusal).toEqual({ code: "denied", message: expect.stringContaining('of "sites"') });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    expect(await app.rows()).toEqual([]);
  },
);

test("I-9: an `onWrite` that writes the very document, and another of the push, stands on what the push wrote", async () => {
  app = createServerApp((replicate) => ({
    onWrite: async (ctx, { id, source }) => {
      if (source === "client" && id === "x")
        for (const each of ["x", "y"])
          await replicate.writer(ctx, sites).update(each, (draft) => {
            draft.visits.increment();
            draft.note = `by the server`;
          });
    },
  }));
  device = new PushDevice(app, 11);
  await device.send(device.insert("x", { name: "X" }), device.insert("y", { name: "Y" }));
  expect(await app.rows()).toMatchObject([
    { id: "x", name: "X", visits: 1, note: "by the server" },
    { id: "y", name: "Y", visits: 1, note: "by the server" },
  ]);
  await device.pull();
  expect(statuses(await device.send(device.set("x", "name", "Z")))).toEqual(["applied"]);
  expect(await app.rows()).toMatchObject([{ name: "Z", visits: 2, note: "by the server" }, { visits: 2 }]);
});

test("a collection without a table has deltas and guards, and no rows", async () => {
  const insert = device.change("n", [{ type: "insert", fields: { text: "hello" } }], "notes");
  expect(statuses(await device.send(insert))).toEqual(["applied"]);
  await device.send(device.change("n", [{ type: "set", field: "text", value: "you" }], "notes"));
  expect((await app.tables())["guards"]).toMatchObject([{ collection: "notes", document: "n", revision: 2 }]);
  expect(await app.rows()).toEqual([]);
});

test("identity: a client's store belongs to one user; signed out it waits, as another user it is taken", async () => {
  const [ada, bob] = ["ada", "bob"].map((name) => app.t.withIdentity({ tokenIdentifier: name }));
  const own = new PushDevice(app, 22, "c", ada);
  await own.send(own.insert("x"));
  const args = own.toArgs([own.transaction([own.set("x", "name", "B")], ["t"])]);
  expect(await app.t.mutation(app.api.push, args)).toEqual({ type: "refused", reason: "identity" });
  expect(await refusalOf(bob!.mutation(app.api.push, args))).toMatchObject({ code: "client_taken" });
  expect(await app.rows()).toMatchObject([{ name: "n" }]);
  expect(await ada!.mutation(app.api.push, args)).toMatchObject({ results: [{ status: "applied" }] });
  const status = { client: "c", transactions: ["t", "other"] };
  expect(await ada!.query(app.api.status, status)).toEqual([
    { id: "t", status: "applied" },
    { id: "other", status: "unknown" },
  ]);
  // "Unknown" would have a device that is signed out make them again.
  for (const someone of [app.t, bob!])
    expect(await refusalOf(someone.query(app.api.status, status))).toMatchObject({ code: "denied" });
});

test("identity: the first push of a user's client without one is put off whole; nobody's clients are registered as ever", async () => {
  const ada = app.t.withIdentity({ tokenIdentifier: "ada" });
  const args = device.toArgs([device.transaction([device.insert("x")])], { hasUser: true });
  const before = await app.everything();
  expect(await app.t.mutation(app.api.push, args)).toEqual({ type: "refused", reason: "identity" });
  expect(await app.everything()).toEqual(before);
  expect(await ada.mutation(app.api.push, args)).toMatchObject({ results: [{ status: "applied" }] });
  expect((await app.tables())["clients"]).toMatchObject([{ user: expect.stringContaining("ada") }]);
  const nobody = new PushDevice(app, 22);
  expect(statuses(await nobody.push([nobody.transaction([nobody.insert("y")])]))).toEqual(["applied"]);
});

test("I-18: after a new epoch pushes and cursors of the old one are told so, and status still answers", async () => {
  await device.send(device.insert("x"));
  const epoch = await app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(sites));
  const args = device.toArgs([device.transaction([device.set("x", "name", "B")])], {
    epochs: { sites: "0" },
  });
  expect(await app.t.mutation(app.api.push, args)).toEqual({ type: "refused", reason: "epoch" });
  const range = { collection: "sites", scope: "DE", cursor: startCursor };
  expect(await app.pull({ ...range, epoch: "0" })).toEqual({ type: "reset", epoch });
  expect(await app.pull(range)).toMatchObject({ type: "page", epoch, entries: [{ document: "x" }] });
  expect(await app.t.mutation(app.api.push, { ...args, epochs: { sites: epoch } })).toMatchObject({
    results: [{ status: "applied" }],
  });
});

test("pull: a scope that may not be read is denied, an unknown collection an error", async () => {
  const range = { collection: "sites", scope: "XX", cursor: startCursor };
  expect(await app.pull(range)).toEqual({ type: "denied" });
  expect(await refusalOf(app.pull({ ...range, collection: "y" }))).toMatchObject({
    code: "unknown_collection",
  });
  expect(await refusalOf(app.pull({ ...range, scope: "x".repeat(300) }))).toMatchObject({
    code: "too_large",
  });
});

test("a client is noted once a day", async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  try {
    await device.send(device.insert("x"));
    const [first] = (await app.tables())["clients"]!;
    vi.setSystemTime(Date.UTC(2026, 0, 1, 23));
    await device.send(device.set("x", "name", "B"));
    expect((await app.tables())["clients"]).toEqual([first]);
    vi.setSystemTime(Date.UTC(2026, 0, 2, 1));
    await device.push([device.transaction([device.set("x", "name", "C")])], { settledBelow: 5 });
    expect((await app.tables())["clients"]).toMatchObject([{ settledBelow: 5, seenAt: Date.now() }]);
  } finally {
    vi.useRealTimers();
  }
});
