import type { PaginationOptions, PaginationResult } from "convex/server";
import type { Value } from "convex/values";
import { expect } from "vitest";
import type { Asked } from "./app/reading.js";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

type Page = PaginationResult<{ _id: string; label: string }>;

const fill = (app: DeployedApp, numbers: readonly number[]) =>
  app.mutation<string[]>("documents:insertAll", {
    table: "rows",
    all: numbers.map((a) => ({ label: `${a}`, a })),
  });
const arguments_ = (what: Asked, paginationOpts: PaginationOptions) =>
  ({ what: what as unknown as Value, paginationOpts: { ...paginationOpts } }) as const;
const page = (app: DeployedApp, what: Asked, options: Partial<PaginationOptions> = {}) =>
  app.query<Page>("paging:page", arguments_(what, { cursor: null, numItems: 3, ...options }));
const labels = ({ page }: Page) => page.map(({ label }) => label);

/** Each page's labels, to the end. */
async function pages(
  app: DeployedApp,
  what: Asked,
  options: Partial<PaginationOptions> = {},
): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | null = null; found.length < 50;) {
    const next: Page = await page(app, what, { ...options, cursor });
    found.push(labels(next));
    if (next.isDone) return found;
    cursor = next.continueCursor;
  }
  return expect.unreachable("pages without an end");
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);
const asLabels = (numbers: readonly number[]) => numbers.map((a) => `${a}`);

conformance("pagination", (check) => {
  const paging = (says: string) => ({ source: sources.pagination, says });
  const options = (says: string) => ({ source: sources.paginationOptions, says });
  const tested = (says: string) => ({ source: sources.backendQuery, says });

  check(
    "pages cover everything exactly once, in order",
    paging("load more by passing in the cursor"),
    async (app) => {
      await fill(app, upTo(10));
      const found = await pages(app, {});
      expect(found.flat()).toEqual(asLabels(upTo(10)));
      expect(found.slice(0, 3).map(({ length }) => length)).toEqual([3, 3, 3]);
    },
  );

  check(
    "pages go through an index range, in both directions",
    paging("paginate works on any database query"),
    async (app) => {
      await fill(app, [5, 1, 4, 2, 3, 1, 4]);
      const what: Asked = { index: "by_a", bounds: [["gt", "a", 1]] };
      expect((await pages(app, what, { numItems: 2 })).flat()).toEqual(["2", "3", "4", "4", "5"]);
      const backwards = await pages(app, { ...what, order: "desc" }, { numItems: 2 });
      expect(backwards.flat()).toEqual(["5", "4", "4", "3", "2"]);
    },
  );

  check(
    "equal index fields are not lost between pages",
    paging("the cursor is the point where the page ended"),
    async (app) => {
      const ids = await app.mutation<string[]>("documents:insertAll", {
        table: "rows",
        all: upTo(7).map((at) => ({ label: `${at}`, a: 1 })),
      });
      const found = await pages(app, { index: "by_a" }, { numItems: 2 });
      expect(found.flat()).toEqual(asLabels(upTo(ids.length)));
    },
  );

  check("values of all types make cursors", paging("the cursor is a string"), async (app) => {
    const values: Value[] = [
      null,
      5n,
      -0,
      0,
      Number.NaN,
      true,
      "ä",
      new Uint8Array([1, 0]).buffer,
      [1n],
      { x: null },
    ];
    const all = [{ label: "0" }, ...values.map((a, at) => ({ label: `${at + 1}`, a }))];
    await app.mutation("documents:insertAll", { table: "rows", all: all.toReversed() });
    // NaN comes after 0, and both before true: in the order given.
    const found = await pages(app, { index: "by_a" }, { numItems: 1 });
    expect(found.flat()).toEqual(all.map(({ label }) => label));
  });

  check("nothing is one page that is done", tested("test_pagination: an empty table"), async (app) => {
    expect(await page(app, {})).toMatchObject({ page: [], isDone: true, continueCursor: expect.any(String) });
  });

  check(
    "after the end there is nothing more",
    tested("test_pagination: listing with the finished cursor"),
    async (app) => {
      const { continueCursor } = await page(app, {});
      await fill(app, [1]);
      expect(await page(app, {}, { cursor: continueCursor })).toMatchObject({ page: [], isDone: true });
    },
  );

  check(
    "a page that is not the last is not done, and tells where it ended",
    paging("isDone, continueCursor"),
    async (app) => {
      await fill(app, upTo(5));
      const first = await page(app, {});
      expect(first).toMatchObject({ isDone: false, continueCursor: expect.any(String) });
      expect(labels(await page(app, {}, { cursor: first.continueCursor }))).toEqual(["3", "4"]);
    },
  );

  check(
    "what is inserted before the cursor does not show, what comes after it does",
    paging("gap-less, by cursors"),
    async (app) => {
      await fill(app, [10, 20, 30, 40]);
      const what: Asked = { index: "by_a" };
      const { continueCursor } = await page(app, what, { numItems: 2 });
      await fill(app, [15, 25, 50]);
      const next = await page(app, what, { cursor: continueCursor, numItems: 10 });
      expect(labels(next)).toEqual(["25", "30", "40", "50"]);
    },
  );

  check(
    "a cursor outlives the document that it stands at",
    paging("reactive: items may be removed"),
    async (app) => {
      const ids = await fill(app, [10, 20, 30, 40]);
      const { continueCursor } = await page(app, { index: "by_a" }, { numItems: 2 });
      await app.mutation("documents:remove", { id: ids[1]! });
      expect(labels(await page(app, { index: "by_a" }, { cursor: continueCursor }))).toEqual(["30", "40"]);
    },
  );

  check(
    "with endCursor a page has all between the cursors, however many",
    options("endCursor explicitly sets the range, from cursor to endCursor"),
    async (app) => {
      await fill(app, [10, 20, 30, 40, 50]);
      const what: Asked = { index: "by_a" };
      const first = await page(app, what, { numItems: 2 });
      const second = await page(app, what, { cursor: first.continueCursor, numItems: 2 });
      await fill(app, [5, 12, 25, 35, 38, 45]);
      const again = (cursor: string | null, endCursor: string) =>
        page(app, what, { cursor, endCursor, numItems: 2 });
      const grown = await again(null, first.continueCursor);
      expect(labels(grown)).toEqual(["5", "10", "12", "20"]);
      expect(grown).toMatchObject({ isDone: false });
      expect(labels(await again(first.continueCursor, second.continueCursor))).toEqual([
        "25",
        "30",
        "35",
        "38",
        "40",
      ]);
    },
  );

  check(
    "a page up to the end of all grows with it",
    tested("test_query_journal_start_to_end"),
    async (app) => {
      const { continueCursor } = await page(app, {});
      await fill(app, [1, 2, 3, 4]);
      const grown = await page(app, {}, { endCursor: continueCursor });
      expect(labels(grown)).toEqual(["1", "2", "3", "4"]);
      expect(grown.isDone).toBe(true);
    },
  );

  check("a filter is applied before the page is counted", tested("paginateFilterTableScan"), async (app) => {
    await fill(app, upTo(10));
    const found = await pages(app, { filter: ["eq", ["mod", ["field", "a"], 2], 1] }, { numItems: 2 });
    expect(found.flat()).toEqual(["1", "3", "5", "7", "9"]);
    expect(found[0]).toEqual(["1", "3"]);
  });

  check(
    "maximumRowsRead ends a page early, and says so; the pages still cover everything",
    options("limits rows entering the pipeline before filters; SplitRequired: page might be incomplete"),
    async (app) => {
      await fill(app, upTo(10));
      const what: Asked = { filter: ["gte", ["field", "a"], 8] };
      const first = await page(app, what, { maximumRowsRead: 4 });
      expect(first).toMatchObject({ page: [], isDone: false, pageStatus: "SplitRequired" });
      const found = await pages(app, what, { maximumRowsRead: 4 });
      expect(found.flat()).toEqual(["8", "9"]);
      expect(found.length).toBeGreaterThanOrEqual(3);
    },
  );

  check(
    "splitCursor splits a page in two",
    options("(cursor, splitCursor] and (splitCursor, continueCursor]"),
    async (app) => {
      await fill(app, upTo(10));
      const whole = await page(app, {}, { numItems: 10, maximumRowsRead: 6 });
      const splitCursor = whole.splitCursor!;
      expect(splitCursor).toEqual(expect.any(String));
      const one = await page(app, {}, { endCursor: splitCursor });
      const two = await page(app, {}, { cursor: splitCursor, endCursor: whole.continueCursor });
      expect([...labels(one), ...labels(two)]).toEqual(labels(whole));
      expect(labels(one).length).toBeGreaterThan(0);
      expect(labels(two).length).toBeGreaterThan(0);
    },
  );

  check(
    "maximumBytesRead ends a page early",
    tested("test_pagination_max_bytes_read: 1 byte: one document a page"),
    async (app) => {
      await fill(app, upTo(3));
      const found = await pages(app, {}, { numItems: 100, maximumBytesRead: 1 });
      expect(found.filter(({ length }) => length > 0)).toEqual([["0"], ["1"], ["2"]]);
    },
  );

  check(
    "a function paginates once",
    tested("Convex only supports a single paginated query in each function"),
    async (app) => {
      const { reason } = await app.refusal("query", "paging:twice");
      expect(reason).toMatch(/single paginated query/);
    },
  );

  check(
    "a cursor of one query is refused by another",
    tested("test_invalid_cursor_error: InvalidCursor"),
    async (app) => {
      await fill(app, upTo(5));
      const { continueCursor } = await page(app, {});
      await app.refusal(
        "query",
        "paging:page",
        arguments_({ order: "desc" }, { cursor: continueCursor, numItems: 1 }),
      );
    },
  );

  check("a cursor that is none is refused", tested("a cursor is decrypted and checked"), async (app) => {
    await fill(app, upTo(5));
    await app.refusal("query", "paging:page", arguments_({}, { cursor: "no cursor", numItems: 1 }));
  });

  check("a page of less than nothing is refused", options("numItems: the number of items"), async (app) => {
    await app.refusal("query", "paging:page", arguments_({}, { cursor: null, numItems: -1 }));
  });

  check(
    "a page of nothing is refused, and one that may read nothing",
    {
      source: sources.backendPages,
      says: "Must request at least 1 document; maximumRowsRead must be greater than 0",
    },
    async (app) => {
      await app.refusal("query", "paging:page", arguments_({}, { cursor: null, numItems: 0 }));
      const options = { cursor: null, numItems: 1, maximumRowsRead: 0 };
      await app.refusal("query", "paging:page", arguments_({}, options));
    },
  );

  check(
    "a mutation paginates over its own writes too",
    { source: sources.mutations, says: "a consistent view" },
    async (app) => {
      await fill(app, [1]);
      expect(await app.mutation("paging:inMutation")).toEqual(["1", "own"]);
    },
  );
});
