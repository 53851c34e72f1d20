import { beforeEach, expect, test } from "vitest";
import { conflictsBetween, recordMutation } from "../testing/conflictAuditor.js";
import { notes } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import type { PushOperation } from "../shared/wire.js";

let app: ServerApp;
let devices: [PushDevice, PushDevice];
/** `x` and the note `n` are there, and both devices know them. */
beforeEach(async () => {
  app = createServerApp();
  devices = [new PushDevice(app, 11), new PushDevice(app, 22)];
  await devices[0].send(devices[0].insert("x"), devices[0].insert("z"));
  await devices[1].pull();
});

/** Pushes, and makes sure that it was applied: a record of nothing conflicts with nothing. */
async function record(device: PushDevice, operation: PushOperation) {
  let results: { status: string }[] = [];
  const mutation = await recordMutation(async () => (results = await device.send(operation)));
  expect(results).toMatchObject([{ status: "applied" }]);
  expect(mutation.writes.length).toBeGreaterThan(1);
  return mutation;
}
const note = (device: PushDevice, id: string) =>
  device.change(id, [{ type: "insert", fields: { text: "n" } }], "notes");

test("fault 21: I-13: pushes of different clients to different documents never conflict, in first pushes and later ones", async () => {
  const [a, b] = devices;
  for (const round of [1, 2]) {
    const pushes = [
      await record(a, a.set("x", "name", `A${round}`)),
      await record(b, b.set("z", "name", `B${round}`)),
    ] as const;
    expect(conflictsBetween(...pushes)).toEqual([]);
  }
  const inserts = [await record(a, a.insert("new a")), await record(b, b.insert("new b"))] as const;
  expect(conflictsBetween(...inserts)).toEqual([]);
});

test("I-13: without an app table too", async () => {
  const [a, b] = devices;
  expect(conflictsBetween(await record(a, note(a, "n1")), await record(b, note(b, "n2")))).toEqual([]);
});

test("I-13: two pushes to one document conflict, in its app row and nowhere else", async () => {
  const [a, b] = devices;
  const conflicts = conflictsBetween(
    await record(a, a.set("x", "name", "A")),
    await record(b, b.set("x", "note", "B")),
  );
  expect(conflicts.length).toBeGreaterThan(0);
  for (const conflict of conflicts) expect(conflict).toMatch(/^sites\(/);
});

test("I-13: without an app table they conflict in its guard and nowhere else", async () => {
  const [a, b] = devices;
  const first = await record(a, note(a, "n"));
  const second = await record(b, b.change("other", [{ type: "insert", fields: { text: "n" } }], "notes"));
  expect(conflictsBetween(first, second)).toEqual([]);
  const again = await record(a, a.change("n", [{ type: "set", field: "text", value: "m" }], "notes"));
  const conflicts = conflictsBetween(first, again).filter(
    (conflict) => !/^(clients|receipts)\(/.test(conflict),
  );
  expect(conflicts.length).toBeGreaterThan(0);
  for (const conflict of conflicts) expect(conflict).toMatch(/^guards\(/);
});

test("I-13: compaction does not conflict with a push to the document it compacts", async () => {
  const [a] = devices;
  await a.send(a.set("x", "name", "A"));
  const compaction = await recordMutation(() =>
    app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x" }),
    ),
  );
  expect(compaction.writes.length).toBeGreaterThan(2);
  expect(conflictsBetween(compaction, await record(a, a.set("x", "name", "B")))).toEqual([]);
});

test("I-13: the server's own writes conflict with a push to the same document only", async () => {
  const [a, b] = devices;
  await app.writer((writer) => writer.insert({ id: "first", name: "n", country: "DE" }));
  const write = await recordMutation(() =>
    app.writer((writer) => writer.update("x", (draft) => draft.visits.increment())),
  );
  expect(conflictsBetween(write, await record(b, b.set("z", "name", "B")))).toEqual([]);
  await a.pull();
  const conflicts = conflictsBetween(write, await record(a, a.set("x", "name", "A")));
  expect(conflicts.length).toBeGreaterThan(0);
  for (const conflict of conflicts) expect(conflict).toMatch(/^sites\(/);
});

test("what a server function reads with a writer conflicts with a push that changes it, by row or by guard", async () => {
  const [a] = devices;
  const read = await recordMutation(() => app.writer((writer) => writer.get("x")));
  expect(conflictsBetween(read, await record(a, a.set("x", "name", "A")))).not.toEqual([]);
  const readNote = await recordMutation(() =>
    app.t.mutation((ctx) => app.replicate.writer(ctx, notes).get("n")),
  );
  expect(conflictsBetween(readNote, await record(a, note(a, "n")))).not.toEqual([]);
});

test("I-13: a document that moves to another scope conflicts with no push to another document, moving or not", async () => {
  const [a, b] = devices;
  const move = await record(a, a.set("x", "country", "FR"));
  expect(conflictsBetween(move, await record(b, b.set("z", "name", "B")))).toEqual([]);
  expect(conflictsBetween(move, await record(b, b.set("z", "country", "FR")))).toEqual([]);
});

test("a document that moves, and its compaction, delete the same rows: there alone the two conflict", async () => {
  const [a] = devices;
  const compaction = await recordMutation(() =>
    app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x" }),
    ),
  );
  const conflicts = conflictsBetween(compaction, await record(a, a.set("x", "country", "FR")));
  expect(conflicts.length).toBeGreaterThan(0);
  for (const conflict of conflicts) expect(conflict).toMatch(/^(deltas|snapshots)\(/);
});
