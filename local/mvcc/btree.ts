import { createRequire } from "node:module";
import type * as SortedBTree from "sorted-btree";

// A CommonJS module whose default export Node, tsx and vitest each find in another place when it is imported.
const { default: BTree } = createRequire(import.meta.url)("sorted-btree") as {
  default: new <K, V>(entries: undefined, compare: (a: K, b: K) => number) => SortedBTree.default<K, V>;
};

export function createOrderedMap<K, V>(compare: (a: K, b: K) => number): SortedBTree.default<K, V> {
  return new BTree<K, V>(undefined, compare);
}
