import type { AnyCollection, RowOf } from "../../collections/index.js";
import type { Persister } from "./persistence.js";
import type { MergeRows, PendingChange } from "../core/rebase.js";
import type { RetryPolicy } from "../core/retry.js";

/** What a collection does in its own way. */
export interface CollectionOverrides<C extends AnyCollection = AnyCollection> extends Partial<Persister> {
  /** How failed attempts are taken. Of a transaction over several collections the first that has a policy decides. */
  readonly retry?: RetryPolicy;
  /**
   * Works the changes of a parallel transaction into a row that has become another one: for what is shown, over the
   * confirmed row, and for what is sent. Pure, for it is called again and again; an insert or delete never comes here.
   *
   * @returns the whole row that it should become
   */
  readonly merge?: (row: Readonly<RowOf<C>>, pending: PendingChange) => RowOf<C>;
}

/** The same without the collection's types. */
export interface PlainOverrides extends Partial<Persister> {
  readonly retry?: RetryPolicy;
  readonly merge?: MergeRows;
}

/** By the names of the collections. */
export type OverridesOf<Cs extends readonly AnyCollection[]> = {
  readonly [N in Cs[number]["name"]]?: CollectionOverrides<Extract<Cs[number], { readonly name: N }>>;
};

export function plainOverrides<Cs extends readonly AnyCollection[]>(
  overrides: OverridesOf<Cs> | undefined,
): ReadonlyMap<string, PlainOverrides> {
  return new Map(Object.entries((overrides ?? {}) as unknown as Record<string, PlainOverrides>));
}

/** What the overrides say of one thing, by collection. */
export function pickOverrides<T>(
  overrides: ReadonlyMap<string, PlainOverrides>,
  pick: (overrides: PlainOverrides) => T | undefined,
): ReadonlyMap<string, T> {
  return new Map(
    [...overrides].flatMap(([name, each]): [string, T][] => {
      const picked = pick(each);
      return picked === undefined ? [] : [[name, picked]];
    }),
  );
}

export function persistersOf(overrides: ReadonlyMap<string, PlainOverrides>): ReadonlyMap<string, Persister> {
  return pickOverrides(overrides, ({ persist, awaitSync }) =>
    persist === undefined ? undefined : { persist, ...(awaitSync === undefined ? {} : { awaitSync }) },
  );
}
