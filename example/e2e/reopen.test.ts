// A device that comes back: how long until there are rows. Counts are asserted, times are printed.
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, Profile } from "./chromium.js";
import type { ReopenPage } from "./reopenPage.js";

const folder = path.dirname(fileURLToPath(import.meta.url));
const origin = "http://localhost:9";
const profile = new Profile();
let script: string;

async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    root: folder,
    build: {
      write: false,
      minify: true,
      target: "es2022",
      lib: { entry: path.join(folder, "reopenPage.ts"), formats: ["iife"], name: "page" },
    },
  });
  const [output] = [built].flat();
  if (output === undefined || !("output" in output)) throw new Error("Nothing was built.");
  return output.output[0].code;
}

/** A page as after a reload: nothing of the one before is left in it. */
async function newPage(): Promise<Page> {
  const page = await profile.newPage();
  await page.route(`${origin}/`, (route) =>
    route.fulfill({ contentType: "text/html", body: `<!doctype html><script>${script}</script>` }),
  );
  await page.goto(`${origin}/`);
  return page;
}

type Method = keyof ReopenPage;
type Args<M extends Method> = Parameters<ReopenPage[M]>;

/** Runs one of the page's functions in it. */
function run<M extends Method>(
  page: Page,
  method: M,
  ...args: Args<M>
): Promise<Awaited<ReturnType<ReopenPage[M]>>> {
  return page.evaluate(
    ([name, list]) =>
      (globalThis as unknown as { reopenPage: Record<string, (...all: unknown[]) => unknown> }).reopenPage[
        name
      ]!(...list),
    [method as string, args as unknown[]] as const,
  ) as Promise<Awaited<ReturnType<ReopenPage[M]>>>;
}

async function inNewPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  const page = await newPage();
  try {
    return await work(page);
  } finally {
    await page.close();
  }
}

/** What is in use after a collection of garbage, in MB: objects, and the bytes that they hold. */
async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const usage = (await session.send("Runtime.getHeapUsage")) as {
    usedSize: number;
    backingStorageSize?: number;
  };
  return (usage.usedSize + (usage.backingStorageSize ?? 0)) / 1e6;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const shown = (values: Record<string, number>) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join(", ");

describe.skipIf(chromiumPath === null)("a device that is opened again", () => {
  beforeAll(async () => {
    script = await bundle();
    await profile.open();
  });
  afterAll(() => profile.remove());

  test.each([10_000, 30_000])(
    "shows all of %i documents, the first of them at once",
    async (count) => {
      await inNewPage((page) => run(page, "fill", count));
      const opened: Awaited<ReturnType<ReopenPage["open"]>>[] = [];
      const floors: number[] = [];
      for (let round = 0; round < 3; round++) {
        floors.push(await inNewPage((page) => run(page, "floor", count)));
        opened.push(await inNewPage((page) => run(page, "open", count)));
      }
      const of = (name: keyof (typeof opened)[number]) => median(opened.map((each) => each[name]));
      const times = {
        first: of("first"),
        all: of("all"),
        leader: of("leader"),
        longest: of("longest"),
        floor: median(floors),
      };
      console.log(`${count} documents, ms, median of 3: ${shown(times)}`);
      expect(opened).toHaveLength(3);
    },
    300_000,
  );

  test("keeps what is written at once, and takes little more than its rows", async () => {
    const rows = await inNewPage(async (page) => {
      const before = await heapOf(page);
      await run(page, "holdRows", 10_000);
      return (await heapOf(page)) - before;
    });
    await inNewPage(async (page) => {
      const before = await heapOf(page);
      await run(page, "open", 10_000);
      const all = (await heapOf(page)) - before;
      console.log(`10000 documents, MB: ${shown({ all, rows, over: all - rows })}`);
      const times = await run(page, "write", 10_000, 200);
      const sorted = [...times].sort((a, b) => a - b);
      console.log(`durable writes, ms: ${shown({ p50: sorted[100]!, p95: sorted[190]! })}`);
      expect(times).toHaveLength(200);
    });
  }, 120_000);
});
