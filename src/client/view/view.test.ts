import { describe, expect, test } from "vitest";
import { failedPublication } from "../base/publication.js";
import type { PlainRow } from "../../collections/index.js";
import type { Operation } from "../../shared/operations.js";
import {
  arrived,
  cover,
  entering,
  failing,
  listen,
  no,
  openView,
  publish,
  site,
  sites,
} from "../../testing/setUp/openView.js";
import { insert, rename, visit, write } from "../../testing/setUp/storedRecords.js";
import type { Publication } from "../base/publication.js";
import type { StoredTransaction } from "../ports/storage.js";
import { View } from "./view.js";

describe("the overlay", () => {
  test("I-5: is in outbox order, whatever order the messages come in", () => {
    const { receive, name, ids } = openView(site("x", "confirmed"));
    receive("c", 3, { x: [rename("c")] });
    receive("a", 1, { x: [rename("a")] });
    receive("b", 2, { x: [rename("b")] });
    expect([name("x"), ids()]).toEqual(["c", ["a", "b", "c"]]);
  });

  test("what is not stored yet comes last, in the order in which it was made", () => {
    const { make, receive, name, ids } = openView(site("x", "confirmed"));
    make("mine", { x: [rename("mine")] });
    make("next", { x: [rename("next")] });
    receive("theirs", 7, { x: [rename("theirs")] });
    expect([name("x"), ids()]).toEqual(["next", ["theirs", "mine", "next"]]);
  });

  test("I-5: a place in the outbox decides at once, though another tab's write came in first", () => {
    const world = openView(site("x", "confirmed"));
    const { make, receive, name, view, ids } = world;
    const mine = make("mine", { x: [rename("mine")] });
    receive("theirs", 2, { x: [rename("theirs")] });
    expect([name("x"), mine.state]).toEqual(["mine", "queued"]);
    const heard = listen(world);
    view.place([{ sequence: 1, transaction: mine.stored }]);
    expect([name("x"), ids(), mine.state]).toEqual(["theirs", ["mine", "theirs"], "pending"]);
    const seen = "x:theirs/0 mine:pending theirs:queued";
    expect(heard).toEqual([`rows x | ${seen}`, `transactions mine,theirs | ${seen}`]);
  });

  test("a place that changes no order is told to nobody", () => {
    const world = openView(site("x", "confirmed"));
    const mine = world.make("mine", { x: [rename("mine")] });
    const heard = listen(world);
    world.view.place([{ sequence: 1, transaction: mine.stored }]);
    expect([mine.sequence, heard]).toEqual([1, []]);
  });

  test("I-7: is shown over whatever confirmed row comes", () => {
    const { make, get, view } = openView(site("x", "confirmed", 5));
    make("mine", { x: [visit, rename("mine")] });
    expect(get("x")).toEqual(site("x", "mine", 6));
    view.apply(publish({ rows: arrived(site("x", "theirs", 9)) }));
    expect(get("x")).toEqual(site("x", "mine", 10));
    view.apply(publish({ rows: [{ collection: "sites", id: "x", row: null }] }));
    expect(get("x")).toBeUndefined();
  });

  test("an open transaction's changes are part of the rows one by one, and told of when it is shown", () => {
    const world = openView(site("x", "confirmed"));
    const { view, visits } = world;
    const heard = listen(world);
    const stored = write("mine", {});
    const changes = stored.changes as unknown[];
    const transaction = view.open(stored);
    const change = { collection: "sites", id: "x", operations: [visit] };
    changes.push(change);
    view.extend(transaction, change);
    expect([visits("x"), heard]).toEqual([1, []]);
    changes.push(change);
    view.extend(transaction, change);
    expect([visits("x"), heard]).toEqual([2, []]);
    view.show(transaction);
    expect(heard).toEqual([
      "rows x | x:confirmed/2 mine:pending",
      "transactions mine | x:confirmed/2 mine:pending",
    ]);
  });

  test("a transaction that never happened leaves no trace", () => {
    const { make, view, name, ids } = openView(site("x", "confirmed"));
    view.remove([make("mine", { x: [rename("mine")], y: [insert("y")] })]);
    expect([name("x"), name("y"), ids(), view.statusOf("sites", "x")]).toEqual([
      "confirmed",
      undefined,
      [],
      "synced",
    ]);
  });

  test.each<[string, Partial<Publication>, number]>([
    ["persisting", { transactions: entering("persisting", "a") }, 1],
    ["applied, not yet come back", { transactions: entering("persisted_awaiting_sync", "a") }, 1],
    ["waiting again", { transactions: entering("waiting", "a") }, 1],
    ["completed", { transactions: entering("completed", "a") }, 0],
    ["failed", { transactions: failing("a") }, 0],
    ["covered", { covered: [cover("a", "x")] }, 0],
    ["covered on another document", { covered: [cover("a", "y")] }, 1],
    ["another one covered", { covered: [cover("b", "x")] }, 1],
  ])("operations of a transaction that is %s", (_name, step, visits) => {
    const world = openView(site("x", "confirmed"));
    world.receive("a", 1, { x: [visit] });
    world.view.apply(publish(step));
    expect(world.visits("x")).toBe(visits);
  });

  test("documents and collections that nobody knows are passed over", () => {
    const { view, collection } = openView();
    view.apply(
      publish({
        rows: [{ collection: "gone", id: "x", row: { id: "x" } }],
        covered: [cover("unknown", "x")],
        transactions: entering("persisting", "unknown"),
      }),
    );
    expect([collection.size, view.transactions()]).toEqual([0, []]);
  });
});

describe("what an edit takes does not grow with what is pending", () => {
  const edits = 1000;
  const parallel = (n: number): StoredTransaction => ({
    ...write(`t${n}`, { x: [rename(`name ${n}`)] }),
    strategy: "parallel",
  });
  const setUpCounted = () => {
    let merges = 0;
    const merge = (row: PlainRow, { operations }: { operations: readonly Operation[] }) => {
      merges++;
      const [first] = operations;
      return { ...row, name: first?.type === "set" ? first.value! : "" };
    };
    const view = new View(
      [sites],
      { retry: (transaction) => transaction, discard: () => {} },
      new Map([["sites", merge]]),
    );
    view.apply(publish({ rows: arrived(site("x", "confirmed")) }));
    return { view, name: () => view.collections.get("sites")?.get("x")?.["name"], merges: () => merges };
  };

  test("of this tab, and as it is stored", () => {
    const { view, name, merges } = setUpCounted();
    for (let n = 1; n <= edits; n++) {
      const stored = parallel(n);
      const transaction = view.open(stored);
      for (const change of stored.changes) view.extend(transaction, change);
      view.show(transaction);
      transaction.becomeDurable(n);
      view.place([{ sequence: n, transaction: stored }]);
    }
    expect([merges(), name()]).toEqual([edits, `name ${edits}`]);
  });

  test("of another tab", () => {
    const { view, name, merges } = setUpCounted();
    for (let n = 1; n <= edits; n++) view.receive([{ sequence: n, transaction: parallel(n) }]);
    expect([merges(), name()]).toEqual([edits, `name ${edits}`]);
  });
});

describe("I-7: one step", () => {
  test("operations leave as the row that contains them arrives: nobody sees them twice, or not at all", () => {
    const world = openView(site("x", "confirmed", 0));
    world.receive("a", 1, { x: [visit] });
    const before = world.get("x");
    const heard = listen(world);
    world.view.apply(
      publish({
        rows: arrived(site("x", "confirmed", 1)),
        covered: [cover("a", "x")],
        transactions: entering("completed", "a"),
      }),
    );
    expect(heard).toEqual(["rows x | x:confirmed/1", "transactions a | x:confirmed/1"]);
    expect(world.get("x")).toBe(before); // an equal row stays the same object
  });

  test("of several operations only the covered ones leave", () => {
    const world = openView(site("x", "confirmed", 0));
    world.receive("a", 1, { x: [visit] });
    world.receive("b", 2, { x: [visit, rename("b")] });
    world.view.apply(
      publish({
        rows: arrived(site("x", "theirs", 5)),
        covered: [cover("a", "x")],
        transactions: entering("completed", "a"),
      }),
    );
    expect(world.get("x")).toEqual(site("x", "b", 6));
  });

  test("of a transaction on two documents each leaves with its own row", () => {
    const world = openView(site("x", "x"), site("y", "y"));
    world.receive("a", 1, { x: [visit], y: [visit] });
    const heard = listen(world);
    world.view.apply(
      publish({
        rows: arrived(site("x", "x", 1)),
        covered: [cover("a", "x")],
        transactions: entering("persisted_awaiting_sync", "a"),
      }),
    );
    world.view.apply(
      publish({
        rows: arrived(site("y", "y", 1)),
        covered: [cover("a", "x"), cover("a", "y")],
        transactions: entering("completed", "a"),
      }),
    );
    expect(heard).toEqual([
      "rows x,y | x:x/1 y:y/1 a:persisted_awaiting_sync",
      "transactions a | x:x/1 y:y/1 a:persisted_awaiting_sync",
      "rows x,y | x:x/1 y:y/1",
      "transactions a | x:x/1 y:y/1",
    ]);
  });

  test("listeners are called once for many rows and transactions, and see all of it", () => {
    const world = openView(site("x", "x"), site("y", "y"));
    world.receive("a", 1, { x: [rename("a")] });
    world.receive("b", 2, { y: [rename("b")] });
    const heard = listen(world);
    world.view.apply(
      publish({
        rows: arrived(site("x", "a"), site("z", "z")),
        covered: [cover("a", "x"), cover("b", "y")],
        transactions: [...entering("completed", "a"), ...failing("b")],
      }),
    );
    const seen = "x:a/0 y:y/0 z:z/0 b:failed";
    expect(heard).toEqual([`rows x,y,z | ${seen}`, `transactions a,b | ${seen}`]);
  });

  test("transactions of one append are received in one step", () => {
    const world = openView(site("x", "x"));
    const heard = listen(world);
    world.view.receive([
      { sequence: 1, transaction: write("a", { x: [visit] }) },
      { sequence: 2, transaction: write("b", { x: [visit], y: [insert("y")] }) },
    ]);
    expect(heard).toEqual([
      "rows x,y | x:x/2 y:y/0 a:pending b:queued",
      "transactions a,b | x:x/2 y:y/0 a:pending b:queued",
    ]);
  });

  test("a listener sees every collection of the step up to date", () => {
    const { view } = openView(site("x", "old"));
    const seen: unknown[] = [];
    const look = () =>
      seen.push([
        view.collections.get("sites")?.get("x")?.["name"],
        view.collections.get("notes")?.get("n")?.["text"],
      ]);
    for (const collection of view.collections.values()) collection.changed.on(look);
    view.apply(
      publish({
        rows: [...arrived(site("x", "new")), { collection: "notes", id: "n", row: { id: "n", text: "t" } }],
      }),
    );
    expect(seen).toEqual([
      ["new", "t"],
      ["new", "t"],
    ]);
  });

  test("a step that concerns no transaction tells of none", () => {
    const world = openView();
    const heard = listen(world);
    world.view.apply(publish({ rows: arrived(site("x", "x")) }));
    expect(heard).toEqual(["rows x | x:x/0"]);
  });

  test("rows fall back when their transactions fail, with those behind them", () => {
    const world = openView(site("x", "confirmed"));
    world.receive("a", 1, { x: [rename("a")] });
    world.receive("b", 2, { x: [rename("b")] });
    const heard = listen(world);
    const entries = world.view
      .transactions()
      .map(({ stored, sequence }) => ({ sequence: sequence!, transaction: { ...stored, failure: no } }));
    world.view.apply(failedPublication(entries));
    expect(heard[0]).toBe("rows x | x:confirmed/0 a:failed b:failed");
    expect(world.view.find("a")?.error).toMatchObject(no);
  });
});

describe("I-7: a publication that overtakes the message about its transaction", () => {
  test("is not forgotten: the operations it covers are not shown beside the row that contains them", () => {
    const { view, collection } = openView(site("x", "confirmed", 0));
    const told = publish({
      rows: arrived(site("x", "confirmed", 1)),
      covered: [cover("a", "x")],
      transactions: entering("persisted_awaiting_sync", "a"),
    });
    view.apply(told);
    view.receive([{ sequence: 1, transaction: write("a", { x: [visit] }) }]);
    expect(view.collections.get("sites")?.get("x")).toMatchObject({ visits: 1 });
    expect([collection.definition.name, view.find("a")?.state]).toEqual(["sites", "persisted_awaiting_sync"]);
  });

  test("tells of a failure too", () => {
    const { view } = openView(site("x", "confirmed", 0));
    view.apply(publish({ transactions: failing("a") }));
    view.receive([{ sequence: 1, transaction: write("a", { x: [visit] }) }]);
    expect(view.find("a")?.state).toBe("failed");
    expect(view.collections.get("sites")?.get("x")).toMatchObject({ visits: 0 });
  });
});
