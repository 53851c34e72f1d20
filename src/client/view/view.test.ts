import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import { defineCollection, field, type PlainRow } from "../../collections/index.js";
import type { Operation } from "../../shared/operations.js";
import { emptyPublication, failedPublication, type Phase, type Publication } from "../base/publication.js";
import type {
  AuthoredGroup,
  AuthoredUpdate,
  Stored,
  StoredFailure,
  StoredTransaction,
} from "../ports/storage.js";
import type { LocalTransaction } from "./localTransaction.js";
import { View } from "./view.js";

const sites = defineCollection("sites", { fields: { name: v.string(), visits: field.counter() } });
const notes = defineCollection("notes", { fields: { text: v.string() } });

const rename = (name: string): Operation => ({ type: "set", field: "name", value: name });
const visit: Operation = { type: "increment", field: "visits", by: 1 };
const insert = (name: string): Operation => ({ type: "insert", fields: { name } });

type Changes = Record<string, readonly Operation[]>;
const write = (id: string, changes: Changes): StoredTransaction => ({
  id,
  createdAt: 1,
  metadata: {},
  isGroup: false,
  changes: Object.entries(changes).map(([document, operations]) => ({
    collection: "sites",
    id: document,
    operations,
  })),
});
const site = (id: string, name: string, visits = 0): PlainRow => ({ id, name, visits });
const publish = (more: Partial<Publication>): Publication => ({ ...emptyPublication, ...more });
const arrived = (...rows: PlainRow[]) => rows.map((row) => ({ collection: "sites", id: row.id, row }));
const cover = (transaction: string, id: string) => ({ transaction, collection: "sites", id });
const entering = (type: Exclude<Phase["type"], "failed">, ...ids: string[]) =>
  ids.map((id) => ({ id, phase: { type } }));
const no: StoredFailure = { code: "denied", message: "no" };
const failing = (...ids: string[]) =>
  ids.map((id) => ({ id, phase: { type: "failed", failure: no } as const }));

interface Database {
  readonly rows?: readonly PlainRow[];
  readonly outbox?: Stored["outbox"];
  readonly groups?: readonly AuthoredGroup[];
}
const database = ({ rows = [], outbox = [], groups = [] }: Database): Stored => ({
  meta: { client: "c", author: 1, term: 1, commit: 1, lastSettled: 9 },
  documents: rows.map((row) => ({
    collection: "sites",
    id: row.id,
    scope: "",
    ts: 1n,
    row,
    base: new Uint8Array(),
  })),
  outbox,
  groups,
  scopes: [],
  damage: [],
});
const update = (document: string, isCovered: boolean): AuthoredUpdate => ({
  collection: "sites",
  document,
  schemaVersion: 1,
  bytes: new Uint8Array(),
  author: 1,
  from: 0,
  to: 1,
  isCovered,
});

function setUp(...rows: PlainRow[]) {
  const decisions: string[] = [];
  const view = new View([sites, notes], {
    retry: (transaction) => (decisions.push(`retry ${transaction.id}`), transaction),
    discard: (transaction) => void decisions.push(`discard ${transaction.id}`),
  });
  view.apply(publish({ rows: arrived(...rows) }));
  const collection = view.collections.get("sites")!;
  return {
    view,
    collection,
    decisions,
    get: (id: string) => collection.get(id),
    name: (id: string) => collection.get(id)?.["name"],
    visits: (id: string) => collection.get(id)?.["visits"],
    /** A transaction made in this tab, and not stored yet. */
    make(id: string, changes: Changes): LocalTransaction {
      const stored = write(id, changes);
      const transaction = view.open(stored);
      for (const change of stored.changes) view.extend(transaction, change);
      view.show(transaction);
      return transaction;
    },
    /** One that is stored, from another tab. */
    receive(id: string, sequence: number, changes: Changes): LocalTransaction {
      view.receive([{ sequence, transaction: write(id, changes) }]);
      return view.find(id)!;
    },
    ids: () => view.transactions().map(({ id }) => id),
  };
}
type World = ReturnType<typeof setUp>;

/** What each listener hears, and what it sees when it does. */
function listen({ view, collection }: World) {
  const heard: string[] = [];
  const seen = () => {
    const rows = [...collection.rows()].map(
      (row) => `${row.id}:${String(row["name"])}/${String(row["visits"])}`,
    );
    const states = view.transactions().map(({ id, state }) => `${id}:${state}`);
    return [...rows.sort(), ...states].join(" ");
  };
  collection.changed.on((ids) => heard.push(`rows ${[...ids].sort().join()} | ${seen()}`));
  view.transactionsChanged.on((transactions) =>
    heard.push(`transactions ${transactions.map(({ id }) => id).join()} | ${seen()}`),
  );
  return heard;
}

describe("the overlay", () => {
  test("I-5: is in outbox order, whatever order the messages come in", () => {
    const { receive, name, ids } = setUp(site("x", "confirmed"));
    receive("c", 3, { x: [rename("c")] });
    receive("a", 1, { x: [rename("a")] });
    receive("b", 2, { x: [rename("b")] });
    expect([name("x"), ids()]).toEqual(["c", ["a", "b", "c"]]);
  });

  test("what is not stored yet comes last, in the order in which it was made", () => {
    const { make, receive, name, ids } = setUp(site("x", "confirmed"));
    make("mine", { x: [rename("mine")] });
    make("next", { x: [rename("next")] });
    receive("theirs", 7, { x: [rename("theirs")] });
    expect([name("x"), ids()]).toEqual(["next", ["theirs", "mine", "next"]]);
  });

  test("I-5: a place in the outbox decides at once, though another tab's write came in first", () => {
    const world = setUp(site("x", "confirmed"));
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
    const world = setUp(site("x", "confirmed"));
    const mine = world.make("mine", { x: [rename("mine")] });
    const heard = listen(world);
    world.view.place([{ sequence: 1, transaction: mine.stored }]);
    expect([mine.sequence, heard]).toEqual([1, []]);
  });

  test("I-7: is shown over whatever confirmed row comes", () => {
    const { make, get, view } = setUp(site("x", "confirmed", 5));
    make("mine", { x: [visit, rename("mine")] });
    expect(get("x")).toEqual(site("x", "mine", 6));
    view.apply(publish({ rows: arrived(site("x", "theirs", 9)) }));
    expect(get("x")).toEqual(site("x", "mine", 10));
    view.apply(publish({ rows: [{ collection: "sites", id: "x", row: null }] }));
    expect(get("x")).toBeUndefined();
  });

  test("an open transaction's changes are part of the rows one by one, and told of when it is shown", () => {
    const world = setUp(site("x", "confirmed"));
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
    const { make, view, name, ids } = setUp(site("x", "confirmed"));
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
    const world = setUp(site("x", "confirmed"));
    world.receive("a", 1, { x: [visit] });
    world.view.apply(publish(step));
    expect(world.visits("x")).toBe(visits);
  });

  test("documents and collections that nobody knows are passed over", () => {
    const { view, collection } = setUp();
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
    const world = setUp(site("x", "confirmed", 0));
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
    const world = setUp(site("x", "confirmed", 0));
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
    const world = setUp(site("x", "x"), site("y", "y"));
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
    const world = setUp(site("x", "x"), site("y", "y"));
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
    const world = setUp(site("x", "x"));
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
    const { view } = setUp(site("x", "old"));
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
    const world = setUp();
    const heard = listen(world);
    world.view.apply(publish({ rows: arrived(site("x", "x")) }));
    expect(heard).toEqual(["rows x | x:x/0"]);
  });

  test("rows fall back when their transactions fail, with those behind them", () => {
    const world = setUp(site("x", "confirmed"));
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

describe("messages that come late or twice", () => {
  test.each<[string, (world: World) => void]>([
    ["completed", ({ view }) => view.apply(publish({ transactions: entering("completed", "a") }))],
    ["taken away", ({ view }) => view.remove([view.find("a")!])],
    [
      "completed while the tab was not told",
      ({ view }) => view.load(database({ rows: [site("x", "x", 1)] })),
    ],
  ])("`appended` of a transaction that was %s brings it not back", (_name, end) => {
    const world = setUp(site("x", "x"));
    world.receive("a", 1, { x: [visit] });
    end(world);
    const before = world.visits("x");
    const heard = listen(world);
    world.receive("a", 1, { x: [visit] });
    expect([world.visits("x"), world.ids(), heard]).toEqual([before, [], []]);
  });

  test("`appended` after the `completed` of a transaction that this tab never knew is ignored", () => {
    const world = setUp(site("x", "x", 1));
    world.view.apply(publish({ transactions: entering("completed", "a") }));
    world.receive("a", 1, { x: [visit] });
    expect([world.visits("x"), world.ids()]).toEqual([1, []]);
  });

  test("`appended` of a transaction that is known changes nothing", () => {
    const world = setUp(site("x", "x"));
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
    const world = setUp(site("x", "x"));
    const transaction = world.receive("a", 1, { x: [visit] });
    world.view.apply(publish({ transactions: failing("a") }));
    world.view.apply(publish({ transactions: entering(type, "a") }));
    expect([transaction.state, world.visits("x")]).toEqual(["failed", 0]);
  });
});

describe("load", () => {
  test("shows what the database holds, in one step, and nothing else", () => {
    const world = setUp(site("old", "old"), site("x", "x"));
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
    const { view, get } = setUp(site("x", "x"));
    const stored = database({ rows: [site("x", "x")] });
    view.load({ ...stored, documents: stored.documents.map((each) => ({ ...each, row: null })) });
    expect(get("x")).toBeUndefined();
  });

  test("after a missed publication: what is done is completed, and its row is there", async () => {
    const world = setUp(site("x", "x"));
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
    const world = setUp(site("x", "x"));
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
    const world = setUp(site("x", "x"));
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
    const { view, receive } = setUp(site("x", "x"));
    const mine = receive("a", 1, { x: [visit] });
    view.apply(publish({ transactions: entering("persisting", "a") }));
    expect(mine.state).toBe("persisting");
    view.load(database({ rows: [site("x", "x")], outbox: [{ sequence: 1, transaction: mine.stored }] }));
    expect(mine.state).toBe("pending");
  });

  test("I-7: what was stored after the database was read is not taken for gone", () => {
    const world = setUp(site("x", "x"));
    const transaction = world.receive("a", 10, { x: [visit] });
    world.view.load(database({ rows: [site("x", "x")] }));
    expect([transaction.state, world.visits("x")]).toEqual(["pending", 1]);
  });

  test("a failed transaction that another tab has taken away is discarded", () => {
    const world = setUp(site("x", "x"));
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
    const world = setUp();
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
    const world = setUp();
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

describe("a state that follows from others", () => {
  test("queued → pending is told to the transaction's own listeners and to everybody's, once", () => {
    const world = setUp(site("x", "confirmed"));
    world.receive("a", 1, { x: [visit] });
    const behind = world.receive("b", 2, { x: [visit] });
    const last = world.receive("c", 3, { x: [visit] });
    const states: string[] = [];
    behind.subscribe(() => states.push(behind.state));
    last.subscribe(() => states.push(`last ${last.state}`));
    const heard = listen(world);
    world.view.apply(publish({ covered: [cover("a", "x")], transactions: entering("completed", "a") }));
    expect(states).toEqual(["pending"]);
    expect(heard.at(-1)).toMatch(/^transactions a,b \| /);
  });

  test("I-7: a transaction's listeners see the rows of the same step", () => {
    const world = setUp(site("x", "confirmed"));
    const failed = world.receive("a", 1, { x: [rename("mine")] });
    const seen: unknown[] = [];
    failed.subscribe(() => seen.push(failed.state, world.name("x")));
    world.view.apply(publish({ transactions: failing("a") }));
    expect(seen).toEqual(["failed", "confirmed"]);
  });
});

describe("statusOf", () => {
  test.each<[string, (world: World) => void, string]>([
    ["nothing on it", () => {}, "synced"],
    ["one waiting", ({ receive }) => void receive("a", 1, { x: [visit] }), "pending"],
    ["one not stored yet", ({ make }) => void make("a", { x: [visit] }), "pending"],
    [
      "one applied, not yet come back",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        view.apply(publish({ transactions: entering("persisted_awaiting_sync", "a") }));
      },
      "pending",
    ],
    [
      "one completed",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        view.apply(publish({ transactions: entering("completed", "a") }));
      },
      "synced",
    ],
    [
      "one failed",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        view.apply(publish({ transactions: failing("a") }));
      },
      "failed",
    ],
    [
      "one failed and a later one waiting",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        view.apply(publish({ transactions: failing("a") }));
        receive("b", 2, { x: [visit] });
      },
      "failed",
    ],
    ["one on another document", ({ receive }) => void receive("a", 1, { y: [visit] }), "synced"],
  ])("%s", (_name, act, status) => {
    const world = setUp(site("x", "x"), site("y", "y"));
    act(world);
    expect(world.view.statusOf("sites", "x")).toBe(status);
    expect(world.view.statusOf("notes", "x")).toBe("synced");
  });
});

describe("queuedBehind", () => {
  test.each<[string, (world: World) => void, Record<string, string>]>([
    ["one alone", ({ receive }) => void receive("a", 1, { x: [visit] }), { a: "pending" }],
    [
      "a later one on the document",
      ({ receive }) => (receive("a", 1, { x: [visit] }), void receive("b", 2, { x: [visit] })),
      { a: "pending", b: "queued" },
    ],
    [
      "an earlier one that is heard of later",
      ({ receive }) => (receive("b", 2, { x: [visit] }), void receive("a", 1, { x: [visit] })),
      { a: "pending", b: "queued" },
    ],
    [
      "one on another document",
      ({ receive }) => (receive("a", 1, { x: [visit] }), void receive("b", 2, { y: [visit] })),
      { a: "pending", b: "pending" },
    ],
    [
      "one that shares one of its documents",
      ({ receive }) => (receive("a", 1, { x: [visit] }), void receive("b", 2, { y: [visit], x: [visit] })),
      { a: "pending", b: "queued" },
    ],
    [
      "one that is not stored yet, behind one that is",
      ({ make, receive }) => (make("b", { x: [visit] }), void receive("a", 1, { x: [visit] })),
      { a: "pending", b: "queued" },
    ],
    [
      "behind one that is applied and has not come back",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        receive("b", 2, { x: [visit] });
        view.apply(publish({ transactions: entering("persisted_awaiting_sync", "a") }));
      },
      { a: "persisted_awaiting_sync", b: "queued" },
    ],
    [
      "behind one that has failed",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        receive("b", 2, { x: [visit] });
        view.apply(publish({ transactions: failing("a") }));
      },
      { a: "failed", b: "pending" },
    ],
    [
      "behind one that is completed",
      ({ receive, view }) => {
        receive("a", 1, { x: [visit] });
        receive("b", 2, { x: [visit] });
        view.apply(publish({ transactions: entering("completed", "a") }));
      },
      { b: "pending" },
    ],
  ])("%s", (_name, act, states) => {
    const world = setUp(site("x", "x"), site("y", "y"));
    act(world);
    expect(Object.fromEntries(world.view.transactions().map(({ id, state }) => [id, state]))).toEqual(states);
  });
});

describe("the user's decision about a failed transaction", () => {
  test("is handed on", () => {
    const { receive, view, decisions } = setUp(site("x", "x"));
    const transaction = receive("a", 1, { x: [visit] });
    view.apply(publish({ transactions: failing("a") }));
    transaction.retry();
    transaction.discard();
    expect(decisions).toEqual(["retry a", "discard a"]);
  });

  test.each(["retry", "discard"] as const)("%s of one that has not failed is refused", (action) => {
    const { receive, decisions } = setUp(site("x", "x"));
    const transaction = receive("a", 1, { x: [visit] });
    expect(() => transaction[action]()).toThrow(expect.objectContaining({ code: "invalid_row" }));
    expect(decisions).toEqual([]);
  });
});

describe("I-7: a publication that overtakes the message about its transaction", () => {
  test("is not forgotten: the operations it covers are not shown beside the row that contains them", () => {
    const { view, collection } = setUp(site("x", "confirmed", 0));
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
    const { view } = setUp(site("x", "confirmed", 0));
    view.apply(publish({ transactions: failing("a") }));
    view.receive([{ sequence: 1, transaction: write("a", { x: [visit] }) }]);
    expect(view.find("a")?.state).toBe("failed");
    expect(view.collections.get("sites")?.get("x")).toMatchObject({ visits: 0 });
  });
});
