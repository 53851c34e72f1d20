import type { Document } from "../engine/engine.js";
import { isWithin, keyOf, type IndexDefinition, type Interval } from "./indexKey.js";

/** One document that a commit wrote; `null`: it was not there before, or is not after. */
export interface StoredWrite {
  readonly table: string;
  readonly id: string;
  readonly before: Document | null;
  readonly after: Document | null;
}

/**
 * What a transaction has read: single documents, there or not, and stretches of indexes, each with all that is in it
 * and that nothing else is.
 */
export class ReadSet {
  readonly #documents = new Map<string, Set<string>>();
  /** By table, then by index. */
  readonly #stretches = new Map<string, Map<IndexDefinition, Interval[]>>();

  addDocument(table: string, id: string): void {
    const ids = this.#documents.get(table);
    if (ids === undefined) this.#documents.set(table, new Set([id]));
    else ids.add(id);
  }

  addInterval(table: string, index: IndexDefinition, interval: Interval): void {
    const byIndex = this.#stretches.get(table) ?? new Map<IndexDefinition, Interval[]>();
    this.#stretches.set(table, byIndex);
    const intervals = byIndex.get(index);
    if (intervals === undefined) byIndex.set(index, [interval]);
    else intervals.push(interval);
  }

  isTouchedBy({ table, id, before, after }: StoredWrite): boolean {
    if (this.#documents.get(table)?.has(id)) return true;
    for (const [index, intervals] of this.#stretches.get(table) ?? []) {
      for (const document of [before, after]) {
        if (document === null) continue;
        const key = keyOf(index, document);
        if (intervals.some((interval) => isWithin(key, interval))) return true;
      }
    }
    return false;
  }
}
