import type * as SortedBTree from "sorted-btree";
import type { Document } from "../engine/engine.js";
import { createOrderedMap } from "./btree.js";
import {
  behindAll,
  compareKeys,
  compareToEdge,
  keyOf,
  type IndexDefinition,
  type IndexKey,
  type Interval,
} from "./indexKey.js";

/** What a document was from a commit on; null: not there. */
interface Version {
  readonly ts: bigint;
  readonly document: Document | null;
}

/** Newest last. */
type History = Version[];

interface Index {
  readonly definition: IndexDefinition;
  /** null: nobody has asked for it yet, and writes leave it alone. */
  tree: SortedBTree.default<IndexKey, string> | null;
}

/**
 * A table's documents with as much of their past as somebody still reads, and its indexes. An index holds a key as
 * long as any version has it; whether it is there at a time is asked of the document's own versions. It is built when
 * it is read first: of most tables half of them never are, and a start need not wait for the others.
 */
export class VersionedTable {
  readonly #histories = new Map<string, History>();
  readonly #indexes = new Map<string, Index>();

  constructor(definitions: readonly IndexDefinition[]) {
    this.defineIndexes(definitions);
  }

  /** Declares what is new, and drops what is not named. */
  defineIndexes(definitions: readonly IndexDefinition[]): void {
    const names = new Set(definitions.map(({ name }) => name));
    for (const name of this.#indexes.keys()) if (!names.has(name)) this.#indexes.delete(name);
    for (const definition of definitions) {
      const paths = JSON.stringify(definition.paths);
      if (JSON.stringify(this.#indexes.get(definition.name)?.definition.paths) === paths) continue;
      this.#indexes.set(definition.name, { definition, tree: null });
    }
  }

  /** The document as it was at `ts`. */
  get(id: string, ts: bigint): Document | null {
    return versionAt(this.#histories.get(id) ?? [], ts)?.document ?? null;
  }

  definition(index: string): IndexDefinition | undefined {
    return this.#indexes.get(index)?.definition;
  }

  /** The documents within an interval as it was at `ts`, one after the other as they are asked for. */
  *scan(
    index: IndexDefinition,
    interval: Interval,
    order: "asc" | "desc",
    ts: bigint,
  ): Generator<[IndexKey, Document]> {
    for (const [key, id] of stretchOf(this.#tree(index.name), interval, order)) {
      const document = this.get(id, ts);
      if (document !== null && compareKeys(keyOf(index, document), key) === 0) yield [key, document];
    }
  }

  /** All documents as they are at `ts`. */
  *documents(ts: bigint): Generator<Document> {
    for (const id of this.#histories.keys()) {
      const document = this.get(id, ts);
      if (document !== null) yield document;
    }
  }

  write(id: string, document: Document | null, ts: bigint): void {
    const history = this.#histories.get(id);
    if (history === undefined) this.#histories.set(id, [{ ts, document }]);
    else history.push({ ts, document });
    if (document === null) return;
    for (const { definition, tree } of this.#indexes.values()) tree?.set(keyOf(definition, document), id);
  }

  /** Forgets versions of the document that nobody reads at `ts` or later. */
  vacuum(id: string, ts: bigint): void {
    const history = this.#histories.get(id);
    if (history === undefined || (history.length === 1 && history[0]!.document !== null)) return;
    const kept = history.slice(
      Math.max(
        0,
        history.findLastIndex((version) => version.ts <= ts),
      ),
    );
    const isGone = kept.length === 1 && kept[0]?.document === null;
    if (kept.length === history.length && !isGone) return;
    if (isGone) this.#histories.delete(id);
    else this.#histories.set(id, kept);
    for (const { definition, tree } of this.#indexes.values()) {
      if (tree === null) continue;
      const needed = kept.flatMap(({ document }) => (document === null ? [] : [keyOf(definition, document)]));
      for (const { document } of history.slice(0, isGone ? undefined : -kept.length)) {
        if (document === null) continue;
        const key = keyOf(definition, document);
        if (needed.every((each) => compareKeys(each, key) !== 0)) tree.delete(key);
      }
    }
  }

  #tree(name: string): SortedBTree.default<IndexKey, string> {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`The table has no index "${name}".`);
    if (index.tree !== null) return index.tree;
    const tree = createOrderedMap<IndexKey, string>(compareKeys);
    for (const [id, history] of this.#histories)
      for (const { document } of history)
        if (document !== null) tree.set(keyOf(index.definition, document), id);
    index.tree = tree;
    return tree;
  }

  /** How many versions are held, of all documents. */
  get versions(): number {
    return [...this.#histories.values()].reduce((sum, history) => sum + history.length, 0);
  }
}

const firstBatch = 16;
const largestBatch = 256;

/**
 * The entries of an ordered map that lie within an interval. The map may be written to between two of them, which its
 * own iterators do not bear: they are read some at a time, each time from the last one on.
 */
export function* stretchOf<V>(
  tree: SortedBTree.default<IndexKey, V>,
  { from, to }: Interval,
  order: "asc" | "desc",
): Generator<[IndexKey, V]> {
  const [start, end] = order === "asc" ? [from, to] : [to, from];
  const sign = order === "asc" ? 1 : -1;
  const first: IndexKey = order === "asc" ? from.prefix : [...to.prefix, behindAll];
  let last: IndexKey | null = null;
  for (let size = firstBatch; ; size = Math.min(size * 2, largestBatch)) {
    const batch: [IndexKey, V][] = [];
    const next = last ?? first;
    for (const [key, value] of order === "asc" ? tree.entries(next) : tree.entriesReversed(next)) {
      if ((last !== null && compareKeys(key, last) === 0) || sign * compareToEdge(key, start) < 0) continue;
      if (batch.length === size || sign * compareToEdge(key, end) > 0) break;
      batch.push([key, value]);
    }
    yield* batch;
    if (batch.length < size) return;
    last = batch.at(-1)![0];
  }
}

function versionAt(history: History, ts: bigint): Version | undefined {
  return history.findLast((version) => version.ts <= ts);
}
