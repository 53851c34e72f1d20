import { getDocumentSize } from "convex/values";
import type { LocalEngine } from "../local/engine/localEngine.js";

/** How large the rows of the tables are, as Convex counts them. */
export class StoredBytes {
  readonly #sizes = new Map<string, Map<string, number>>();

  constructor(engine: LocalEngine) {
    engine.onCommit(({ writes }) => {
      for (const { table, id, after } of writes) {
        const sizes = this.#sizes.get(table) ?? new Map<string, number>();
        this.#sizes.set(table, sizes);
        if (after === null) sizes.delete(id);
        else sizes.set(id, getDocumentSize(after as never));
      }
    });
  }

  /** Jobs that have ended are left out: Convex removes them after a week. */
  bytes(tables: RegExp): number {
    let sum = 0;
    for (const [table, sizes] of this.#sizes)
      if (tables.test(table) && !table.includes("_scheduled")) for (const size of sizes.values()) sum += size;
    return sum;
  }
}
