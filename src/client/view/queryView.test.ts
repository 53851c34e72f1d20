import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import { defineCollection, field, type PlainRow } from "../../collections/index.js";
import { ManualClock } from "../../testing/manualClock.js";
import type { PlainQuery } from "../core/query.js";
import { CollectionView, type OverlaidChange } from "./collectionView.js";
import { QueryView } from "./queryView.js";
import { Screen, screenMs } from "./screen.js";

const sites = defineCollection("sites", { fields: { name: v.string(), visits: field.counter() } });
const rename = (name: string): OverlaidChange => ({
  operations: [{ type: "set", field: "name", value: name }],
});

/** A collection whose rows the test changes step by step. */
function setUp(...names: string[]) {
  const pending = new Map<string, readonly OverlaidChange[]>();
  const view = new CollectionView(sites, (id) => pending.get(id) ?? []);
  const clock = new ManualClock(0);
  let isOpening = false;
  /** What was told of the screen, each time. */
  const screens: string[][] = [];
  const tell = (documents: readonly { readonly id: string }[]) =>
    void screens.push(documents.map(({ id }) => id));
  const screen = new Screen({ clock, isOpening: () => isOpening, tell });
  let reads = 0;
  const rows = view.rows.bind(view);
  view.rows = () => (reads++, rows());
  const put = (id: string, name: string | null) => {
    view.setConfirmed(id, name === null ? null : { id, name, visits: 0 });
    view.recompute(id);
  };
  names.forEach((name, index) => put(`s${index}`, name));
  return {
    view,
    pending,
    /** How often all rows were gone through. */
    reads: () => reads,
    /** One step: the rows are new, then whoever listens is told. */
    step(changes: Record<string, string | null>) {
      for (const [id, name] of Object.entries(changes)) put(id, name);
      view.changed.emit(new Set(Object.keys(changes)));
    },
    query: (options: PlainQuery = {}) => new QueryView(view, options, screen),
    screen,
    screens,
    clock,
    /** Time passes, to what is to be done next. */
    look: async () => {
      clock.runNext();
      await Promise.resolve();
    },
    open: (isDone: boolean) => void (isOpening = !isDone),
  };
}

const names = (rows: readonly PlainRow[]) => rows.map((row) => row["name"]);
const isNamed = (letter: string) => (row: PlainRow) => String(row["name"]).startsWith(letter);

describe("a query that nobody listens to", () => {
  test("is worked out when asked, and is the same array until a row of it changes", () => {
    const { query, step } = setUp("b", "a");
    const byName = query({ orderBy: "name" });
    const first = byName.current;
    expect(names(first)).toEqual(["a", "b"]);
    expect(byName.current).toBe(first);
    step({ s0: "c" });
    expect(names(byName.current)).toEqual(["a", "c"]);
    expect(byName.current).not.toBe(first);
  });

  test("of no rows is one empty array", () => {
    const { query, step } = setUp();
    const all = query();
    const first = all.current;
    expect(first).toEqual([]);
    step({ s0: "a" });
    step({ s0: null });
    expect(all.current).toBe(first);
  });

  test("sees changes that no step has told of", () => {
    const { query, view } = setUp("a");
    const all = query();
    expect(names(all.current)).toEqual(["a"]);
    view.setConfirmed("s1", { id: "s1", name: "b" });
    view.recompute("s1");
    expect(names(all.current)).toEqual(["a", "b"]);
  });
});

describe("a query that somebody listens to", () => {
  const queries: [string, PlainQuery, Record<string, string | null>, readonly string[] | null][] = [
    ["a row that comes", {}, { s3: "d" }, ["a", "b", "c", "d"]],
    ["a row that changes", {}, { s1: "x" }, ["a", "x", "c"]],
    ["a row that goes", {}, { s1: null }, ["a", "c"]],
    ["several rows at once", {}, { s0: null, s1: "x", s3: "d" }, ["x", "c", "d"]],
    ["a row that is as before", {}, { s1: "b" }, null],
    ["a row that was not there and is not", {}, { s9: null }, null],
    ["a row that comes and does not match", { where: isNamed("a") }, { s3: "d" }, null],
    ["a row that changes and never matched", { where: isNamed("a") }, { s1: "x" }, null],
    ["a row that begins to match", { where: isNamed("a") }, { s1: "ab" }, ["a", "ab"]],
    ["a row that matches no more", { where: isNamed("a") }, { s0: "x" }, []],
    ["another order", { orderBy: "name" }, { s0: "z" }, ["b", "c", "z"]],
    ["a row within the limit", { orderBy: "name", limit: 2 }, { s9: "aa" }, ["a", "aa"]],
    ["a row beyond the limit", { orderBy: "name", limit: 2 }, { s9: "z" }, null],
    ["a row that goes, for which another one moves up", { limit: 2 }, { s0: null }, ["b", "c"]],
  ];
  test.each(queries)("%s", (_name, options, changes, expected) => {
    const { query, step } = setUp("a", "b", "c");
    const watched = query(options);
    const heard: (readonly PlainRow[])[] = [];
    watched.subscribe(() => heard.push(watched.current));
    const before = watched.current;
    step(changes);
    if (expected === null) {
      expect(heard).toEqual([]);
      expect(watched.current).toBe(before);
    } else {
      expect(heard.map(names)).toEqual([expected]);
      expect(watched.current).toBe(heard[0]);
      expect(watched.current).not.toBe(before);
    }
  });

  test("rows that did not change are the same objects in the next array", () => {
    const { query, step } = setUp("a", "b");
    const all = query();
    all.subscribe(() => {});
    const [a, b] = all.current;
    step({ s1: "x" });
    expect(all.current[0]).toBe(a);
    expect(all.current[1]).not.toBe(b);
  });

  test("I-7: an operation that its confirmed row takes over changes nothing", () => {
    const { view, pending, query, step } = setUp("a");
    const all = query();
    let heard = 0;
    all.subscribe(() => heard++);
    pending.set("s0", [rename("mine")]);
    view.recompute("s0");
    view.changed.emit(new Set(["s0"]));
    const shown = all.current;
    pending.delete("s0");
    step({ s0: "mine" });
    expect([heard, names(all.current)]).toEqual([1, ["mine"]]);
    expect(all.current).toBe(shown);
  });

  test("does not go through the rows, whatever changes, nor to be read", () => {
    const { query, step, reads } = setUp("a", "b");
    const watched = query({ where: isNamed("a") });
    watched.subscribe(() => {});
    const before = reads();
    step({ s1: "x" });
    expect([watched.current.length, reads() - before]).toEqual([1, 0]);
    step({ s0: "aa" });
    expect([names(watched.current), reads() - before]).toEqual([["aa"], 0]);
  });

  test("tells each listener, and none that has left", () => {
    const { query, step } = setUp("a");
    const all = query();
    const heard: string[] = [];
    const offs = ["one", "two"].map((name) => all.subscribe(() => heard.push(name)));
    step({ s0: "b" });
    offs[0]!();
    step({ s0: "c" });
    offs[1]!();
    step({ s0: "d" });
    expect(heard).toEqual(["one", "two", "two"]);
  });
});

describe("between listening and not listening", () => {
  test("the array stays the same if nothing changed", () => {
    const { query } = setUp("a", "b");
    const all = query();
    const first = all.current;
    const off = all.subscribe(() => {});
    expect(all.current).toBe(first);
    off();
    expect(all.current).toBe(first);
  });

  test("what changed while nobody listened is there, and is not told to who comes later", () => {
    const { query, step } = setUp("a");
    const all = query();
    all.subscribe(() => {})();
    step({ s1: "b" });
    let heard = 0;
    all.subscribe(() => heard++);
    expect([names(all.current), heard]).toEqual([["a", "b"], 0]);
    step({ s2: "c" });
    expect([names(all.current), heard]).toEqual([["a", "b", "c"], 1]);
  });

  test("the collection is listened to once for any number of listeners, and not after the last", () => {
    const { query, view } = setUp("a");
    const all = query();
    const sizes = [view.changed.size];
    const offs = [all.subscribe(() => {}), all.subscribe(() => {})];
    sizes.push(view.changed.size);
    for (const off of offs) {
      off();
      sizes.push(view.changed.size);
    }
    expect(sizes).toEqual([0, 1, 1, 0]);
  });

  test("to leave twice takes no other listener away", () => {
    const { query, step } = setUp("a");
    const all = query();
    const off = all.subscribe(() => {});
    off();
    let heard = 0;
    all.subscribe(() => heard++);
    off();
    step({ s0: "b" });
    expect(heard).toBe(1);
  });
});

describe("what is on the screen", () => {
  const prioritised = (...ids: string[]) => ids.map((id) => ({ collection: "sites", id }));

  test("are the rows of live queries with a limit, of the newest first, by turns; told once in a while", async () => {
    const { query, look, clock, screens } = setUp("a", "b", "c", "d");
    query({ orderBy: "name", limit: 2 }); // nobody listens to it
    query().subscribe(() => {}); // all rows are no screen
    query({ orderBy: "name", limit: 2 }).subscribe(() => {});
    query({ orderBy: ["name", "desc"], limit: 3 }).subscribe(() => {});
    expect(screens).toEqual([]);
    await look();
    expect([clock.now(), screens]).toEqual([screenMs, [["s3", "s0", "s2", "s1"]]]);
    expect(clock.runNext()).toBe(false);
  });

  test("is told again when it is of other documents, and for nothing else", async () => {
    const { query, look, screens, step } = setUp("a", "b", "c");
    const stop = query({ orderBy: "name", limit: 2 }).subscribe(() => {});
    await look();
    step({ s0: "aa" });
    step({ s0: "bb" }); // another order, the same documents
    await look();
    expect(screens).toEqual([["s0", "s1"]]);
    step({ s0: "d" });
    step({ s3: "b" });
    await look();
    stop();
    await look();
    expect(screens.slice(1)).toEqual([["s1", "s3"], []]);
  });

  test("begins with what the app has prioritised last", async () => {
    const { query, look, screens, screen } = setUp("a", "b", "c");
    query({ orderBy: "name", limit: 2 }).subscribe(() => {});
    screen.prioritise(prioritised("x"));
    screen.prioritise(prioritised("s2", "s1"));
    await look();
    expect(screens).toEqual([["s2", "s0", "s1"]]);
  });

  test("is not told while rows are still to be read, which may stand before those that are there; nor after the end", async () => {
    const { query, look, clock, screens, screen, open } = setUp("b", "c");
    open(false);
    query({ orderBy: "name", limit: 1 }).subscribe(() => {});
    await look();
    expect([screens, clock.runNext()]).toEqual([[], false]);
    open(true);
    screen.note();
    await look();
    expect(screens).toEqual([["s0"]]);
    screen.prioritise(prioritised("s1"));
    screen.stop();
    expect([screens.length, clock.runNext()]).toEqual([1, false]);
  });
});
