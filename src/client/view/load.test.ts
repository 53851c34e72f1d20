import { describe, expect, test } from "vitest";
import {
  database,
  entering,
  failing,
  listen,
  no,
  openView,
  type OpenView,
  publish,
  site,
  update,
} from "../../testing/setUp/openView.js";
import { rename, visit, write } from "../../testing/setUp/storedRecords.js";
import type { Phase } from "../base/publication.js";

describe("messages that come late or twice", () => {
  test.each<[string, (world: OpenView) => void]>([
    ["completed", ({ view }) => view.apply(publish({ transactions: entering("completed", "a") }))],
    ["taken away", ({ view }) => view.remove([view.find("a")!])],
    [
      "completed while the tab was not told",
      ({ view }) => view.load(database({ rows: [site("x", "x", 1)] })),
    ],
  ])("`appended` of a transaction that was %s brings it not back", (_name, end) => {
    const world = openView(site("x", "x"));
    world.receive("a", 1, { x: [visit] });
    end(world);
    const before = world.visits("x");
    const heard = listen(world);
    world.receive("a", 1, { x: [visit] });
    expect([world.visits("x"), world.ids(), heard]).toEqual([before, [], []]);
  });

  test("`appended` after the `completed` of a transaction that this tab never knew is ignored", () => {
    const world = openView(site("x", "x", 1));
    world.view.apply(publish({ transactions: entering("completed", "a") }));
    world.receive("a", 1, { x: [visit] });
    expect([world.visits("x"), world.ids()]).toEqual([1, []]);
  });

  test("`appended` of a transaction that is known changes nothing", () => {
    const world = openView(site("x", "x"));
    const first = world.receive("a", 1, { x: [visit] });
    world.view.apply(publish({ transactions: entering("persisting", "a") }));
    expect(world.receive("a", 1, { x: [visit] })).toBe(first);
    expect([world.visits("x"), first.state]).toEqual([1, "persisting"]);
  });

  test.each<Exclude<Phase["type"], "failed">>([
    "waiting",
    "persisting",
    "persisted_awaiting_sync",
    "completed",
  ])("`%s` of a transaction that has failed does not make it unfinished again", (type) => {
    const world = openView(site("x", "x"));
    const transaction = world.receive("a", 1, { x: [visit] });
    world.view.apply(publish({ transactions: failing("a") }));
    world.view.apply(publish({ transactions: entering(type, "a") }));
    expect([transaction.state, world.visits("x")]).toEqual(["failed", 0]);
  });
});

describe("load", () => {
  test("shows what the database holds, in one step, and nothing else", () => {
    const world = openView(site("old", "old"), site("x", "x"));
    const heard = listen(world);
    world.view.load(
      database({
        rows: [site("x", "new"), site("y", "y")],
        outbox: [
          { sequence: 1, transaction: write("a", { y: [visit] }) },
          { sequence: 2, transaction: { ...write("b", { x: [rename("b")] }), failure: no } },
        ],
      }),
    );
    expect(heard.at(-2)).toBe("rows old,x,y | x:new/0 y:y/1 a:pending b:failed");
    expect(heard.at(-1)).toBe("transactions a,b | x:new/0 y:y/1 a:pending b:failed");
    expect(world.view.find("a")?.sequence).toBe(1);
  });

  test("a deleted document is not shown", () => {
    const { view, get } = openView(site("x", "x"));
    const stored = database({ rows: [site("x", "x")] });
    view.load({ ...stored, documents: stored.documents.map((each) => ({ ...each, row: null })) });
    expect(get("x")).toBeUndefined();
  });

  test("after a missed publication: what is done is completed, and its row is there", async () => {
    const world = openView(site("x", "x"));
    const transaction = world.receive("a", 1, { x: [visit] });
    const other = world.receive("b", 2, { x: [visit] });
    world.view.load(
      database({
        rows: [site("x", "x", 1)],
        outbox: [{ sequence: 2, transaction: write("b", { x: [visit] }) }],
      }),
    );
    await transaction.confirmed;
    expect([transaction.state, other.state, world.visits("x"), world.ids()]).toEqual([
      "completed",
      "pending",
      2,
      ["b"],
    ]);
  });

  test("a transaction that is not stored yet is kept, over the new rows", () => {
    const world = openView(site("x", "x"));
    const mine = world.make("mine", { x: [visit] });
    world.view.load(database({ rows: [site("x", "x", 5)] }));
    expect([mine.state, mine.sequence, world.visits("x"), world.ids()]).toEqual([
      "pending",
      null,
      6,
      ["mine"],
    ]);
  });

  test("a transaction whose append was not answered yet is found stored, and not shown twice", async () => {
    const world = openView(site("x", "x"));
    const mine = world.make("mine", { x: [visit] });
    world.view.load(
      database({
        rows: [site("x", "x", 5)],
        outbox: [{ sequence: 4, transaction: write("mine", { x: [visit] }) }],
      }),
    );
    await mine.durable;
    expect([mine.sequence, world.visits("x"), world.view.find("mine")]).toEqual([4, 6, mine]);
  });

  test("after a missed gap: what was sent is waiting again", () => {
    const { view, receive } = openView(site("x", "x"));
    const mine = receive("a", 1, { x: [visit] });
    view.apply(publish({ transactions: entering("persisting", "a") }));
    expect(mine.state).toBe("persisting");
    view.load(database({ rows: [site("x", "x")], outbox: [{ sequence: 1, transaction: mine.stored }] }));
    expect(mine.state).toBe("pending");
  });

  test("I-7: what was stored after the database was read is not taken for gone", () => {
    const world = openView(site("x", "x"));
    const transaction = world.receive("a", 10, { x: [visit] });
    world.view.load(database({ rows: [site("x", "x")] }));
    expect([transaction.state, world.visits("x")]).toEqual(["pending", 1]);
  });

  test("a failed transaction that another tab has taken away is discarded", () => {
    const world = openView(site("x", "x"));
    const transaction = world.receive("a", 1, { x: [visit] });
    world.view.apply(publish({ transactions: failing("a") }));
    world.view.load(database({ rows: [site("x", "x")] }));
    expect([transaction.state, world.ids(), world.view.statusOf("sites", "x")]).toEqual([
      "discarded",
      [],
      "synced",
    ]);
  });

  test.each<[boolean, string]>([
    [false, "persisting"],
    [true, "persisted_awaiting_sync"],
  ])("authored groups: answered %s → %s, without what is covered", (isAnswered, state) => {
    const world = openView();
    world.view.load(
      database({
        rows: [site("x", "x", 1), site("y", "y", 0)],
        outbox: [{ sequence: 1, transaction: write("a", { x: [visit], y: [visit] }) }],
        groups: [
          { sequence: 1, transactions: ["a"], updates: [update("x", true), update("y", false)], isAnswered },
        ],
      }),
    );
    expect([world.view.find("a")?.state, world.visits("x"), world.visits("y")]).toEqual([state, 1, 1]);
  });

  test("twice the same shows the same rows, the same objects", () => {
    const world = openView();
    const stored = database({
      rows: [site("x", "x")],
      outbox: [{ sequence: 1, transaction: write("a", { x: [visit] }) }],
    });
    world.view.load(stored);
    const [row, transaction] = [world.get("x"), world.view.find("a")];
    world.view.load(stored);
    expect(world.get("x")).toBe(row);
    expect(world.view.find("a")).toBe(transaction);
  });
});
