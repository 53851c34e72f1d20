import { beforeEach, expect, test } from "vitest";
import { conflictsBetween, recordMutation, type MutationRecord } from "../testing/conflictAuditor.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
let a: PushDevice;
let b: PushDevice;
beforeEach(async () => {
  app = createServerApp();
  [a, b] = [new PushDevice(app, 11), new PushDevice(app, 22)];
  await a.send(a.insert("x"));
  await a.send(write(a));
  await b.pull();
});

const write = (device: PushDevice) => device.type("x", (log) => log.insert(0, "t"));
const push = (device: PushDevice, operation: ReturnType<typeof write>) =>
  recordMutation(async () => {
    expect(await device.send(operation)).toMatchObject([{ status: "applied" }]);
  });
const component = () => app.component as unknown as Record<string, Record<string, never>>;
const run = (file: string, name: string, args: object) =>
  app.t.mutation((ctx) => ctx.runMutation(component()[file]![name]!, args as never));
/** The follower takes in what there is. */
async function follow(): Promise<MutationRecord> {
  const next = await app.t.query((ctx) =>
    ctx.runQuery(component()["follower"]!["next"]!, { name: "sites", cursor: null } as never),
  );
  const { batch } = next as { batch: object };
  return recordMutation(() => run("follower", "follow", batch));
}

test("I-13: any number of typists push to one text without a conflict", async () => {
  const first = await push(a, write(a));
  const typists = [b, new PushDevice(app, 33)];
  for (const typist of typists)
    expect(conflictsBetween(first, await push(typist, write(typist)))).toEqual([]);
});

test("I-13: typing conflicts neither with a change of the same document's row, nor with its deletion", async () => {
  const typed = await push(b, write(b));
  expect(conflictsBetween(typed, await push(a, a.set("x", "name", "A")))).toEqual([]);
  expect(conflictsBetween(typed, await push(a, a.change("x", [{ type: "delete" }])))).toEqual([]);
});

test("I-13: compaction of a text and the follower never conflict with those who type it", async () => {
  const followed = await follow();
  expect(followed.writes.some(({ table }) => table === "announcements")).toBe(true);
  const place = { collection: "sites", document: "x", part: "log" };
  const compacted = await recordMutation(() => run("compact", "compact", place));
  expect(compacted.writes.some(({ table }) => table === "snapshots")).toBe(true);
  for (const pushed of [await push(b, write(b)), await push(a, a.set("x", "name", "A"))])
    for (const work of [followed, compacted]) expect(conflictsBetween(pushed, work)).toEqual([]);
});

test("I-12: the follower that tells of a text conflicts with a move of its document, so that it never tells where it was", async () => {
  const followed = await follow();
  await push(b, write(b));
  const moved = await push(a, a.set("x", "country", "FR"));
  expect(conflictsBetween(followed, moved).join()).toContain("leaves(");
});
