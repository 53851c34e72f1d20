// https://github.com/TanStack/db/tree/main/packages/browser-db-sqlite-persistence#readme, single tab, on OPFS; with a
// `sync` of its own as https://tanstack.com/db/latest/docs/guides/collection-options-creator describes.
import { createCollection, createLiveQueryCollection, type SyncConfig } from "@tanstack/db";
import {
  createBrowserWASQLitePersistence,
  openBrowserWASQLiteOPFSDatabase,
  persistedCollectionOptions,
} from "@tanstack/browser-db-sqlite-persistence";
import {
  assertCount,
  chosen,
  pagesOf,
  visited,
  type Opened,
  type Place,
  type Subject,
  type Writes,
} from "./subject.js";

type SyncParams = Parameters<SyncConfig<Place, string>["sync"]>[0];

export class TanStackDb implements Subject {
  #sync: SyncParams | null = null;

  async #open() {
    const database = await openBrowserWASQLiteOPFSDatabase({ databaseName: "places.sqlite" });
    const persistence = createBrowserWASQLitePersistence({ database });
    const collection = createCollection(
      persistedCollectionOptions<Place, string>({
        id: "places",
        getKey: (place) => place.id,
        persistence,
        schemaVersion: 1,
        startSync: true,
        sync: {
          sync: (params) => {
            this.#sync = params;
            params.markReady(); // the server has nothing new
          },
        },
        onUpdate: ({ transaction }) => {
          // The server has it at once, and sends it back.
          this.#write(
            transaction.mutations.map(({ modified }) => modified as Place),
            "update",
          );
          return Promise.resolve();
        },
      }),
    );
    return { database, collection };
  }

  #write(rows: readonly Place[], type: "insert" | "update"): void {
    const { begin, write, commit } = this.#sync!;
    begin();
    for (const value of rows) write({ type, value });
    commit();
  }

  /** It does not tell when what came from a server is stored: looked for in the database itself. */
  async firstLoad(rows: readonly Place[]): Promise<number> {
    const start = performance.now();
    const { collection, database } = await this.#open();
    await collection.preload();
    for (const page of pagesOf(rows)) this.#write(page, "insert");
    assertCount(collection.size, rows.length);
    await stored(database, rows.length);
    const ms = performance.now() - start;
    await database.close?.();
    return ms;
  }

  held: unknown;

  async reopen(count: number): Promise<Opened> {
    const start = performance.now();
    const { collection } = await this.#open();
    const first = createLiveQueryCollection((q) =>
      q
        .from({ place: collection })
        .orderBy(({ place }) => place.population, "desc")
        .limit(50),
    );
    await collection.preload();
    const ready = performance.now() - start;
    await first.preload();
    await until(() => first.size === 50);
    const first50 = performance.now() - start;
    await until(() => collection.size === count);
    const all = collection.toArray;
    const whole = performance.now() - start;
    assertCount(all.length, count);
    this.held = [collection, first];
    return { ready, first50: Math.max(first50, ready), whole };
  }

  async deltas(rows: readonly Place[], rounds: number): Promise<number[]> {
    const { collection } = await this.#open();
    await collection.preload();
    await until(() => collection.size === rows.length);
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const changed = chosen(rows, round).map((row, n) => visited(row, round * 100 + n));
      const start = performance.now();
      this.#write(changed, "update");
      await until(() => collection.get(changed[99]!.id)?.note === changed[99]!.note);
      times.push(performance.now() - start);
    }
    return times;
  }

  /** What it calls persisted is that the handler has ended: it does not tell when the row is in the database. */
  async write(rows: readonly Place[], count: number): Promise<Writes> {
    const { collection } = await this.#open();
    await collection.preload();
    await until(() => collection.size === rows.length);
    const visible: number[] = [];
    for (let n = 0; n < count; n++) {
      const { id } = rows[(n * 37) % rows.length]!;
      const start = performance.now();
      const transaction = collection.update(id, (draft) => void (draft.note = `note ${n}`));
      visible.push(performance.now() - start);
      await transaction.isPersisted.promise;
    }
    return { visible, durable: null };
  }
}

type Database = Awaited<ReturnType<typeof openBrowserWASQLiteOPFSDatabase>>;

/** Rows that are seen here may be of a transaction that is still open: then another one cannot be begun. */
async function stored(database: Database, count: number): Promise<void> {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 5));
  while ((await storedRows(database)) < count) await pause();
  for (;;)
    try {
      await database.execute("BEGIN");
      await database.execute("ROLLBACK");
      return;
    } catch {
      await pause(); // "cannot start a transaction within a transaction"
    }
}

/** Rows of the one table that holds rows of the collection; 0 as long as there is none. */
async function storedRows(database: Database): Promise<number> {
  const tables = await database.execute<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'c\\_%' ESCAPE '\\'",
  );
  let most = 0;
  for (const { name } of tables) {
    const [found] = await database.execute<{ count: number }>(`SELECT COUNT(*) AS count FROM "${name}"`);
    most = Math.max(most, Number(found?.count ?? 0));
  }
  return most;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 0));
}
