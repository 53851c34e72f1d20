import type { Value } from "convex/values";
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { Operation } from "../../shared/operations.js";

type Fielded<T extends Operation["type"]> = Extract<Operation, { type: T }>;

/**
 * Collapses the operations on one document by value: the last set of a field wins, increments add up, the last
 * of add and remove of a member wins; an insert takes up what follows it; what comes before a delete is dropped,
 * and an insert that a delete follows is dropped with it. Authoring the result leaves the same row.
 */
export function collapse(operations: readonly Operation[]): Operation[] {
  let isDeleted = false;
  let inserted: Map<string, Value> | null = null;
  const sets = new Map<string, Fielded<"set">>();
  const increments = new Map<string, number>();
  const members = new Map<string, Fielded<"add" | "remove">>();
  const forget = () => [sets, increments, members].forEach((map) => map.clear());
  for (const operation of operations) {
    switch (operation.type) {
      case "insert":
        inserted = new Map(Object.entries(operation.fields));
        forget();
        break;
      case "delete":
        isDeleted ||= inserted === null;
        inserted = null;
        forget();
        break;
      case "set":
        if (inserted === null) sets.set(operation.field, operation);
        else if (operation.value === undefined) inserted.delete(operation.field);
        else inserted.set(operation.field, operation.value);
        break;
      case "increment":
        increments.set(operation.field, (increments.get(operation.field) ?? 0) + operation.by);
        break;
      case "add":
      case "remove":
        members.set(`${operation.field}\0${canonicalJson(operation.member)}`, operation);
    }
  }
  return [
    ...(isDeleted ? [{ type: "delete" } as const] : []),
    ...(inserted === null ? [] : [{ type: "insert", fields: Object.fromEntries(inserted) } as const]),
    ...sets.values(),
    ...[...increments].flatMap(([field, by]) =>
      by === 0 ? [] : [{ type: "increment", field, by } as const],
    ),
    ...members.values(),
  ];
}
