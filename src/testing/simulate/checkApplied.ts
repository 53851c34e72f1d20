// What must hold in the instant in which a push is answered.
import type { PlainRow } from "../../collections/index.js";
import type { AuthoredClocks, StoredChange } from "../../client/ports/storage.js";
import type { Operation } from "../../shared/operations.js";
import type { PushArgs, PushOperation, PushResult } from "../../shared/wire.js";
import type { World } from "../simulation/world.js";
import { Violation } from "../violation.js";

/**
 * I-4, I-6: what it says was applied is in the state of each document that it writes, nothing of what it says was refused
 * is in any, and it has made of them what was written, and nothing else.
 */
export function checkApplied(world: World, { transactions }: PushArgs, result: PushResult): void {
  if (result.type === "refused") return;
  for (const { ids, status } of result.results) {
    if (status !== "applied" && status !== "rejected") continue;
    const sent = transactions.find((transaction) => transaction.ids.join() === ids.join());
    for (const operation of sent?.operations ?? []) {
      const clocks = operation.part === "" ? clocksOf(world, operation) : undefined;
      if (clocks === undefined) continue;
      checkState(world, ids, status, operation, clocks);
      const ts = result.ts as unknown as bigint;
      if (status === "applied") checkRow(world, ts, operationsOf(world, ids, operation), operation, clocks);
    }
  }
}

function clocksOf({ diskChecks }: World, operation: PushOperation): AuthoredClocks | undefined {
  for (const disk of diskChecks.values()) {
    const found = disk.clocksOf(operation);
    if (found !== undefined) return found;
  }
  return undefined;
}

function operationsOf(
  { devices }: World,
  ids: readonly string[],
  { collection, document }: PushOperation,
): readonly Operation[] {
  const changes = (id: string): readonly StoredChange[] =>
    devices.flatMap((device) => device.stored.get(id)?.changes ?? []);
  return ids
    .flatMap(changes)
    .flatMap((change) =>
      change.collection === collection && change.id === document ? change.operations : [],
    );
}

function checkState(
  { truth }: World,
  ids: readonly string[],
  status: "applied" | "rejected",
  { collection, document }: PushOperation,
  { author, to }: AuthoredClocks,
): void {
  const isThere = (truth.get(collection, document)?.clocks.get(author) ?? 0) >= to;
  if (isThere === (status === "applied")) return;
  const fault = status === "applied" ? "lacks it" : "has it";
  throw new Violation(
    "I-6",
    `"${ids.join(", ")}" was ${status}, and "${document}" of ${collection} ${fault}`,
  );
}

/**
 * Of registers and sets another change may have won, which the device had not seen. Where others have written the document
 * in the same commit, a hook of the app's say, nothing is said.
 */
function checkRow(
  { truth }: World,
  ts: bigint,
  operations: readonly Operation[],
  { collection, document }: PushOperation,
  { author }: AuthoredClocks,
): void {
  if (operations.some(({ type }) => type === "insert" || type === "delete")) return;
  const row = truth.get(collection, document)?.row ?? null;
  const found = truth.rewritten.find(
    (each) => each.ts === ts && each.collection === collection && each.document === document,
  );
  if (row === null || (found?.authors ?? []).some((other) => other !== author)) return;
  const written = new Set(operations.flatMap((operation) => ("field" in operation ? [operation.field] : [])));
  const other = found?.fields.find((field) => !written.has(field));
  if (other !== undefined)
    throw new Violation("I-4", `a push changed "${other}" of "${document}", which nothing in it writes`);
  for (const field of written) checkCounter(document, field, operations, found?.before ?? row, row);
}

function checkCounter(
  document: string,
  field: string,
  operations: readonly Operation[],
  before: PlainRow,
  after: PlainRow,
): void {
  const by = operations.reduce(
    (sum, operation) =>
      sum + (operation.type === "increment" && operation.field === field ? operation.by : 0),
    0,
  );
  const [was, is] = [before[field], after[field]];
  if (
    typeof was !== "number" ||
    typeof is !== "number" ||
    !operations.every((each) => isIncrement(each, field))
  )
    return;
  // Numbers that are no whole ones add up differently in another order.
  if (Math.abs(is - was - by) > 1e-6 * Math.max(1, Math.abs(by)))
    throw new Violation("I-3", `"${field}" of "${document}" was ${was} and is ${is}: ${by} was added`);
}

/** Or of another field. */
function isIncrement(operation: Operation, field: string): boolean {
  return !("field" in operation) || operation.field !== field || operation.type === "increment";
}
