import { validateFields, type AnyCollection, type PlainRow } from "../../collections/index.js";
import { isPart, isRegister, type Field } from "../../collections/fields.js";
import { canonicalJson, isSameValue } from "../../shared/canonicalJson.js";
import type { Operation, Primitive } from "../../shared/operations.js";
import type { Value } from "convex/values";

/** What a parallel transaction wants of one document. */
export interface PendingChange {
  readonly id: string;
  readonly operations: readonly Operation[];
  /** The fields it changes, as they were when it was made. */
  readonly before: Readonly<Record<string, Value>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A collection's own way to work a change into a row that has become another one. Pure: it is called again and again. */
export type MergeRows = (row: PlainRow, pending: PendingChange) => PlainRow;

/**
 * The operations that a change comes to on `row`, as the collection's own `merge` has it. Where there is no row, or a
 * life begins or ends, there is nothing to merge: the operations stay as they are.
 *
 * @throws TypeError if what `merge` returns is no row of the collection; and whatever `merge` throws
 */
export function rebaseOperations(
  definition: AnyCollection,
  row: PlainRow | null,
  pending: PendingChange,
  merge: MergeRows,
): readonly Operation[] {
  const isLife = pending.operations.some(({ type }) => type === "insert" || type === "delete");
  if (row === null || isLife) return pending.operations;
  const merged = merge(row, pending);
  const fault = validateFields(definition, merged);
  if (fault !== null)
    throw new TypeError(`merge() returned no row of "${definition.name}": ${fault.message}`);
  return operationsBetween(definition, row, merged);
}

/** What makes one row of the other: registers set, counters raised by the difference, members added and removed. */
export function operationsBetween(definition: AnyCollection, from: PlainRow, to: PlainRow): Operation[] {
  return Object.entries(definition.fields as Record<string, Field>).flatMap(([field, kind]): Operation[] => {
    const [before, after] = [from[field], to[field]];
    if (isPart(kind) || isSameValue(before, after)) return [];
    if (isRegister(kind)) return [{ type: "set", field, value: after }];
    if (kind.fieldKind === "counter")
      return [{ type: "increment", field, by: ((after as number) ?? 0) - ((before as number) ?? 0) }];
    const [old, fresh] = [before, after].map((members) => keyed((members as Primitive[]) ?? []));
    return [
      ...[...(fresh as Map<string, Primitive>)]
        .filter(([key]) => !(old as Map<string, Primitive>).has(key))
        .map(([, member]) => ({ type: "add", field, member }) as const),
      ...[...(old as Map<string, Primitive>)]
        .filter(([key]) => !(fresh as Map<string, Primitive>).has(key))
        .map(([, member]) => ({ type: "remove", field, member }) as const),
    ];
  });
}

function keyed(members: readonly Primitive[]): Map<string, Primitive> {
  return new Map(members.map((member) => [canonicalJson(member), member]));
}
