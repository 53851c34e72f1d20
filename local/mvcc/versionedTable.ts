import { createRequire } from "node:module";
import type * as SortedBTree from "sorted-btree";
import type { Document } from "../engine.js";
import {
  behindAll,
  compareKeys,
  compareToEdge,
  keyOf,
  type IndexDefinition,
  type IndexKey,
  type Interval,
} from "./indexKey.js";

// A CommonJS module whose default export Node, tsx and vitest each find in another place when it is imported.
const { default: BTree } = createRequire(import.meta.url)("sorted-btree") as {
  default: new <K, V>(entries: undefined, compare: (a: K, b: K) => number) => SortedBTree.default<K, V>;
};

/** What a document was from a commit on; null: not there. */
interface Version {
  readonly ts: bigint;
  readonly document: Document | null;
}

/** Newest last. */
type History = Version[];

/**
 * A table's documents with as much of their past as somebody still reads, and its indexes. An index holds a key as
 * long as any version has it; whether it is there at a time is asked of the document's own versions.
 */
export class VersionedTable {
  readonly #histories = new Map<string, History>();
  readonly #indexes = new Map<
    string,
    { readonly definition: IndexDefinition; readonly tree: SortedBTree.default<IndexKey, string> }
  >();

  constructor(definitions: readonly IndexDefinition[]) {
    for (const definition of definitions)
      this.#indexes.set(definition.name, { definition, tree: new BTree(undefined, compareKeys) });
  }

  /** The document as it was at `ts`. */
  get(id: string, ts: bigint): Document | null {
    return versionAt(this.#histories.get(id) ?? [], ts)?.document ?? null;
  }

  definition(index: string): IndexDefinition {
    return this.#index(index).definition;
  }

  /** The documents within an interval as it was at `ts`, one after the other as they are asked for. */
  *scan(
    index: string,
    interval: Interval,
    order: "asc" | "desc",
    ts: bigint,
  ): Generator<[IndexKey, Document]> {
    const { definition, tree } = this.#index(index);
    const { from, to } = interval;
    const entries =
      order === "asc" ? tree.entries(from.prefix) : tree.entriesReversed([...to.prefix, behindAll]);
    for (const [key, id] of entries) {
      const [isShort, isPast] =
        order === "asc"
          ? [compareToEdge(key, from) < 0, compareToEdge(key, to) > 0]
          : [compareToEdge(key, to) > 0, compareToEdge(key, from) < 0];
      if (isShort) continue;
      if (isPast) return;
      const document = this.get(id, ts);
      if (document !== null && compareKeys(keyOf(definition, document), key) === 0) yield [key, document];
    }
  }

  write(id: string, document: Document | null, ts: bigint): void {
    const history = this.#histories.get(id) ?? [];
    this.#histories.set(id, [...history, { ts, document }]);
    if (document === null) return;
    for (const { definition, tree } of this.#indexes.values()) tree.set(keyOf(definition, document), id);
  }

  /** Forgets versions of the document that nobody reads at `ts` or later. */
  vacuum(id: string, ts: bigint): void {
    const history = this.#histories.get(id);
    if (history === undefined) return;
    const oldestNeeded = history.findLastIndex((version) => version.ts <= ts);
    const kept = history.slice(Math.max(0, oldestNeeded));
    const isGone = kept.length === 1 && kept[0]?.document === null;
    const left = isGone ? [] : kept;
    if (isGone) this.#histories.delete(id);
    else this.#histories.set(id, kept);
    for (const { definition, tree } of this.#indexes.values())
      for (const { document } of history) {
        if (document === null) continue;
        const key = keyOf(definition, document);
        const isNeeded = left.some(
          (each) => each.document !== null && compareKeys(keyOf(definition, each.document), key) === 0,
        );
        if (!isNeeded) tree.delete(key);
      }
  }

  /** How many versions are held, of all documents. */
  get versions(): number {
    return [...this.#histories.values()].reduce((sum, history) => sum + history.length, 0);
  }

  #index(name: string) {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`The table has no index "${name}".`);
    return index;
  }
}

function versionAt(history: History, ts: bigint): Version | undefined {
  return history.findLast((version) => version.ts <= ts);
}
