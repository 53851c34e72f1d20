// https://rxdb.info/quickstart.html, with the schema that its schema page asks for: the sorted field is indexed. On
// https://rxdb.info/rx-storage-dexie.html in the browser, on https://rxdb.info/rx-storage-memory.html without storage.
import { createRxDatabase, type RxCollection, type RxStorage } from "rxdb/plugins/core";
import { getRxStorageDexie } from "rxdb/plugins/storage-dexie";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
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

const schema = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: 20 },
    name: { type: "string" },
    country: { type: "string" },
    status: { type: "string" },
    population: { type: "number", minimum: 0, maximum: 100_000_000, multipleOf: 1 },
    lat: { type: "number" },
    lon: { type: "number" },
    note: { type: "string" },
    visits: { type: "number" },
    tags: { type: "array", items: { type: "string" } },
  },
  required: ["id", "name", "country", "status", "population", "visits", "tags"],
  indexes: ["population"],
} as const;

const first50 = { sort: [{ population: "desc" as const }], limit: 50 };

export class RxDb implements Subject {
  readonly #storage: RxStorage<unknown, unknown>;

  constructor(kind: "dexie" | "memory") {
    this.#storage = (kind === "dexie" ? getRxStorageDexie() : getRxStorageMemory()) as RxStorage<
      unknown,
      unknown
    >;
  }

  async #open(): Promise<RxCollection<Place>> {
    const database = await createRxDatabase({ name: "places", storage: this.#storage });
    const { places } = await database.addCollections({ places: { schema } });
    return places as unknown as RxCollection<Place>;
  }

  async firstLoad(rows: readonly Place[]): Promise<number> {
    const start = performance.now();
    const collection = await this.#open();
    for (const page of pagesOf(rows)) await collection.bulkInsert([...page]);
    const found = await collection.find().exec();
    const ms = performance.now() - start;
    assertCount(found.length, rows.length);
    return ms;
  }

  /** Its queries read from the store: the first 50 do not wait for all rows. */
  async reopen(count: number): Promise<Opened> {
    const start = performance.now();
    const collection = await this.#open();
    const ready = performance.now() - start;
    const first = await collection.find(first50).exec();
    assertCount(first.length, 50);
    const shown = performance.now() - start;
    const all = await collection.find().exec();
    const whole = performance.now() - start;
    assertCount(all.length, count);
    this.held = all;
    return { ready, first50: shown, whole };
  }

  held: unknown;

  async deltas(rows: readonly Place[], rounds: number): Promise<number[]> {
    const collection = await this.#open();
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const changed = chosen(rows, round).map((row, n) => visited(row, round * 100 + n));
      const start = performance.now();
      await collection.bulkUpsert(changed);
      times.push(performance.now() - start);
    }
    return times;
  }

  /** A write reads as done when it is stored. */
  async write(rows: readonly Place[], count: number): Promise<Writes> {
    const collection = await this.#open();
    const times: number[] = [];
    for (let n = 0; n < count; n++) {
      const { id } = rows[(n * 37) % rows.length]!;
      const document = (await collection.findOne(id).exec())!;
      const start = performance.now();
      await document.patch({ note: `note ${n}` });
      times.push(performance.now() - start);
    }
    return { visible: times, durable: times };
  }
}
