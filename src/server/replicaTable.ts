import { defineTable, type TableDefinition } from "convex/server";
import type { ObjectType, PropertyValidators, Validator, VObject } from "convex/values";
import type { CollectionDefinition, Fields } from "../collections/index.js";
import type { RowValidators } from "../collections/types.js";

type Expand<T> = T extends infer O ? { [K in keyof O]: O[K] } : never;
type Paths<T extends PropertyValidators> = {
  [P in keyof T]: P | `${P & string}.${T[P]["fieldPaths"]}`;
}[keyof T] &
  string;
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyParameter = any;

/** Server-only fields beside the replicated ones: optional, because replication inserts rows without them. */
export type ServerFields = Record<string, Validator<AnyParameter, "optional", AnyParameter>>;

/**
 * The app table of a collection, for `defineSchema`: the fields of its rows, the index `by_replica_id` that
 * replication finds them by, and fields that only the server sees and replication never touches.
 *
 * @throws Error if a server field is not optional, or has the name of a replicated one
 * @example
 * ```ts
 * export default defineSchema({
 *   sites: replicaTable(sites, { score: v.optional(v.number()) }).index("by_status", ["status"]),
 * });
 * ```
 */
export function replicaTable<F extends Fields, const Extra extends ServerFields = Record<never, never>>(
  collection: CollectionDefinition<string, F, AnyParameter, AnyParameter>,
  serverFields?: Extra,
): TableDefinition<
  VObject<
    Expand<ObjectType<RowValidators<F>> & ObjectType<Extra>>,
    Expand<RowValidators<F> & Extra>,
    "required",
    Paths<RowValidators<F>> | Paths<Extra>
  >,
  { by_replica_id: ["id", "_creationTime"] }
> {
  const replicated = collection.row.fields as PropertyValidators;
  for (const [name, validator] of Object.entries<{ isOptional: string }>(serverFields ?? {})) {
    const problem =
      validator.isOptional !== "optional"
        ? "must be v.optional(…): replication inserts rows without it"
        : Object.hasOwn(replicated, name)
          ? "is a replicated field already"
          : null;
    if (problem)
      throw new Error(`replicaTable of "${collection.name}": the server field "${name}" ${problem}.`);
  }
  return defineTable({ ...replicated, ...serverFields }).index("by_replica_id", ["id"]) as never;
}
