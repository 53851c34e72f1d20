// What `usePaginatedQuery` builds on: a page that is subscribed to ends where it ended first, whatever is inserted.
import { ConvexClient } from "convex/browser";
import { anyApi, type PaginationResult } from "convex/server";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";
import { RawSocket, updateIn } from "./rawSocket.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { numbers } = anyApi as any;
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;

interface Row {
  readonly n: number;
}
type Page = Pick<PaginationResult<Row>, "page" | "continueCursor" | "isDone">;

let app: FixtureApp;
const open: { close(): unknown }[] = [];
let series: string;
let count = 0;

beforeAll(async () => void (app = await startFixtureApp()), 60_000);
afterAll(() => app.close());
beforeEach(async () => {
  series = `series ${++count}`;
  for (const n of tens(1, 12)) await add(n);
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

const tens = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => 10 * (from + at));
const add = (n: number) => app.backend.run("mutation", "numbers:add", { series, n });
const all = async () => (await app.backend.run("query", "numbers:all", { series })) as number[];
const numbersOf = (rows: readonly Row[]) => rows.map(({ n }) => n);
const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 5 });

interface Shown {
  readonly results: Row[];
  readonly status: string;
  loadMore(items: number): boolean;
}

/** What a component with `usePaginatedQuery` would render, newest last. */
function paginate(order: "asc" | "desc", initialNumItems: number) {
  const options = { webSocketConstructor, unsavedChangesWarning: false, logger: false } as const;
  const client = new ConvexClient(app.backend.url, options);
  open.push(client);
  const shown: Shown[] = [];
  const show = (result: unknown) => void shown.push({ ...(result as Shown) });
  client.onPaginatedUpdate_experimental(numbers.page, { series, order }, { initialNumItems }, show);
  return { client, shown };
}

const orders = [
  ["asc", (all: number[]) => all],
  ["desc", (all: number[]) => [...all].reverse()],
] as const;

test.each(orders)(
  "%s: pages that are subscribed to neither overlap nor leave a gap while documents are inserted at their borders",
  async (order, inOrder) => {
    const { client, shown } = paginate(order, 4);
    await until(() => expect(shown.at(-1)).toMatchObject({ status: "CanLoadMore", results: { length: 4 } }));
    shown.at(-1)!.loadMore(4);
    await until(() => expect(shown.at(-1)).toMatchObject({ status: "CanLoadMore", results: { length: 8 } }));
    const end = shown.at(-1)!.results.at(-1)!.n;
    const isShown = (n: number) => (order === "asc" ? n <= end : n >= end);
    const expected = async () => inOrder((await all()).filter(isShown));
    const from = shown.length;
    // On both sides of each border and beyond, in every page, and at once.
    for (const n of [39, 41, 40.5, 1, 79, 81, 55, 89, 91, 45, 44, 43]) {
      await client.mutation(numbers.add, { series, n });
      expect(numbersOf(shown.at(-1)!.results)).toEqual(await expected());
    }
    await Promise.all([39.5, 40.1, 40.2, 80.5, 79.5, 90.1].map(add));
    await until(async () => expect(numbersOf(shown.at(-1)!.results)).toEqual(await expected()));
    for (const { results } of shown.slice(from)) {
      const seen = numbersOf(results);
      expect(seen).toEqual(inOrder([...new Set(seen)].sort((a, b) => a - b))); // each once, in order
      expect(seen).toEqual(expect.arrayContaining(inOrder(tens(1, 12).filter(isShown))));
    }
    shown.at(-1)!.loadMore(100);
    await until(() => expect(shown.at(-1)!.status).toBe("Exhausted"));
    expect(numbersOf(shown.at(-1)!.results)).toEqual(inOrder(await all()));
  },
);

test("the last page, which has no end, grows", async () => {
  const { client, shown } = paginate("asc", 100);
  await until(() => expect(shown.at(-1)).toMatchObject({ status: "Exhausted", results: { length: 12 } }));
  await client.mutation(numbers.add, { series, n: 1000 });
  expect(numbersOf(shown.at(-1)!.results)).toEqual([...tens(1, 12), 1000]);
});

const paginationOpts = (cursor: string | null) => ({ numItems: 4, cursor, id: 1 });

test("a page that grows keeps its end: by the journal, on a new socket too; without one it is as long as asked for", async () => {
  const socket = await RawSocket.open(app.backend.url, `paging ${series}`);
  open.push(socket);
  const args = { series, order: "asc", paginationOpts: paginationOpts(null) };
  socket.watch(0, "numbers:page", args);
  const [first] = await socket.until("Transition");
  const before = updateIn(first!, 0) as Page;
  expect(numbersOf(before.page)).toEqual(tens(1, 4));
  await add(5);
  const after = updateIn((await socket.until("Transition", 2))[1]!, 0) as Page;
  expect(numbersOf(after.page)).toEqual([5, ...tens(1, 4)]);
  expect(after.continueCursor).toBe(before.continueCursor);

  const { journal } = (first!["modifications"] as { journal: string }[])[0]!;
  for (const [add, expected] of [
    [{ journal }, [5, ...tens(1, 4)]],
    [{}, [5, ...tens(1, 3)]],
  ] as const) {
    const next = await RawSocket.open(app.backend.url, `paging again ${series} ${"journal" in add}`);
    open.push(next);
    const modifications = [{ type: "Add", queryId: 0, udfPath: "numbers:page", args: [args], ...add }];
    next.send({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications });
    const [transition] = await next.until("Transition");
    expect(numbersOf((updateIn(transition!, 0) as Page).page)).toEqual(expected);
  }
});

test("a write behind the end of a page does not run it again", async () => {
  const socket = await RawSocket.open(app.backend.url, `behind ${series}`);
  open.push(socket);
  socket.watch(0, "numbers:page", { series, order: "asc", paginationOpts: paginationOpts(null) });
  await socket.until("Transition");
  const runs = () => app.backend.calls.filter(({ path }) => path === "numbers:page").length;
  const before = runs();
  await add(41);
  await add(500);
  expect(runs()).toBe(before);
  await add(39);
  await socket.until("Transition", 2);
  expect(runs()).toBe(before + 1);
});
