// One Y.Doc and one provider per record, as https://github.com/yjs/y-indexeddb#readme has it: a database each.
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
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

/** Databases opened at a time: all at once Chromium takes many times longer, or fails. */
const atOnce = 64;

export class YIndexedDb implements Subject {
  readonly #docs = new Map<string, Y.Doc>();
  readonly #providers: IndexeddbPersistence[] = [];

  async #openAll(ids: readonly string[]): Promise<void> {
    const waiting = [...ids];
    const worker = async () => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const doc = new Y.Doc();
        const provider = new IndexeddbPersistence(id, doc);
        await provider.whenSynced;
        this.#docs.set(id, doc);
        this.#providers.push(provider);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }

  async firstLoad(rows: readonly Place[]): Promise<number> {
    const updates = new Map(rows.map((row) => [row.id, updateOf(row)]));
    localStorage.setItem("ids", JSON.stringify(rows.map(({ id }) => id)));
    const start = performance.now();
    for (const page of pagesOf(rows)) {
      await this.#openAll(page.map(({ id }) => id));
      for (const { id } of page) Y.applyUpdate(this.#docs.get(id)!, updates.get(id)!);
    }
    const ms = performance.now() - start;
    // A read that begins after the last write ends after it.
    await this.#providers.at(-1)!.get("done");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return ms;
  }

  async reopen(count: number): Promise<Opened> {
    const ids = (JSON.parse(localStorage.getItem("ids") ?? "[]") as string[]).slice(0, count);
    const start = performance.now();
    await this.#openAll(ids);
    const rows = [...this.#docs.values()].map((doc) => doc.getMap("r").toJSON() as Place);
    rows.sort((a, b) => b.population - a.population);
    const whole = performance.now() - start;
    assertCount(rows.filter(({ population }) => population > 0).length, count);
    return { ready: whole, first50: whole, whole };
  }

  async deltas(rows: readonly Place[], rounds: number): Promise<number[]> {
    await this.#openAll(rows.map(({ id }) => id));
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const updates = chosen(rows, round).map((row, n) => {
        const other = new Y.Doc();
        Y.applyUpdate(other, Y.encodeStateAsUpdate(this.#docs.get(row.id)!));
        const before = Y.encodeStateVector(other);
        const { note, visits } = visited(row, round * 100 + n);
        const map = other.getMap("r");
        other.transact(() => {
          map.set("note", note);
          map.set("visits", visits);
        });
        return { id: row.id, update: Y.encodeStateAsUpdate(other, before) };
      });
      const start = performance.now();
      for (const { id, update } of updates) Y.applyUpdate(this.#docs.get(id)!, update);
      times.push(performance.now() - start);
    }
    return times;
  }

  /** It does not tell when an edit is stored. */
  async write(rows: readonly Place[], count: number): Promise<Writes> {
    await this.#openAll(rows.map(({ id }) => id));
    const visible: number[] = [];
    for (let n = 0; n < count; n++) {
      const doc = this.#docs.get(rows[(n * 37) % rows.length]!.id)!;
      const start = performance.now();
      doc.getMap("r").set("note", `note ${n}`);
      visible.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return { visible, durable: null };
  }
}

function updateOf(row: Place): Uint8Array {
  const doc = new Y.Doc();
  const map = doc.getMap("r");
  doc.transact(() => {
    for (const [field, value] of Object.entries(row)) map.set(field, value);
  });
  return Y.encodeStateAsUpdate(doc);
}
