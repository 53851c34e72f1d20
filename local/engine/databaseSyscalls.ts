import { convexToJson, getDocumentSize, type JSONValue, type Value } from "convex/values";
import type { Document } from "./engine.js";
import { asPending } from "../mvcc/pendingTs.js";
import { fromJson } from "../values/fromJson.js";
import { checkDocument } from "../values/limits.js";
import type { TransactionExecution } from "./execution.js";
import type { Host } from "./host.js";
import { createId } from "./ids.js";
import { isSystemTable, toUser } from "./systemTables.js";
import type { Args, Syscalls } from "./syscalls.js";

type Mutation = (execution: TransactionExecution, args: Args, host: Host) => JSONValue;

export const databaseSyscalls: Syscalls<TransactionExecution> = {
  "1.0/get": (execution, args, host) => {
    const { id, isSystem } = args as { id: string; isSystem?: boolean };
    const table = tableOfId(execution, host, "get", args);
    if (table === null) return null;
    if (isSystemTable(table) !== (isSystem === true))
      throw new Error(
        `${isSystem ? "User" : "System"} tables can only be accessed from db.${isSystem ? "" : "system."}get().`,
      );
    const document = read(execution, host, table, id);
    return document === null ? null : convexToJson(toUser(table, document) as Value);
  },
  "1.0/insert": onlyInMutations("insert", (execution, args, host) => {
    const table = args["table"] as string;
    const fields = fromJson(args["value"] ?? null) as Document;
    return { _id: insertDocument(execution, host, writableTable(table), fields) };
  }),
  "1.0/shallowMerge": onlyInMutations("patch", (execution, args, host) => {
    const patch = Object.entries(args["value"] as Args).map(([name, value]) => [name, patchedField(value)]);
    return update(execution, host, "patch", args, (old) => ({
      ...old,
      ...(Object.fromEntries(patch) as Record<string, Value | undefined>),
    }));
  }),
  "1.0/replace": onlyInMutations("replace", (execution, args, host) =>
    update(execution, host, "replace", args, () => fromJson(args["value"] ?? null) as Document),
  ),
  "1.0/remove": onlyInMutations("delete", (execution, args, host) => {
    const { table, id } = existing(execution, host, "delete", args);
    execution.unit.usage.write(0);
    execution.unit.transaction.write(host.tables.key(execution.path.component, table), id, null);
    return {};
  }),
};

/** Writes a new document of the component that runs. @returns its id */
export function insertDocument(
  execution: TransactionExecution,
  host: Host,
  table: string,
  fields: Document,
): string {
  const { component } = execution.path;
  if (!isSystemTable(table)) host.tables.check(component, table, fields);
  const _id = createId(host.tables.numberOf(component, table), execution.random);
  store(execution, host, table, {
    ...fields,
    _id,
    _creationTime: host.tables.nextCreationTime(execution.now),
  });
  return _id;
}

/** Reads a document of the component that runs, and counts it. */
export function read(
  { unit, reader, path }: TransactionExecution,
  host: Host,
  table: string,
  id: string,
): Document | null {
  const document = reader.get(host.tables.key(path.component, table), id);
  if (isSystemTable(table)) return document; // which is not the function's own use
  unit.usage.indexRange();
  if (document !== null) unit.usage.read(getDocumentSize(asPending(document as Value) as never));
  return document;
}

/** Writes a document as it is to be. */
export function store(
  { unit, path }: TransactionExecution,
  host: Host,
  table: string,
  document: Document,
): void {
  if (!isSystemTable(table)) {
    const sized = asPending(document as Value) as Document;
    checkDocument(sized);
    unit.usage.write(getDocumentSize(sized as never));
  }
  unit.transaction.write(host.tables.key(path.component, table), document["_id"] as string, document);
}

function update(
  execution: TransactionExecution,
  host: Host,
  method: string,
  args: Args,
  change: (fields: Document) => Readonly<Record<string, Value | undefined>>,
): JSONValue {
  const { table, document } = existing(execution, host, method, args);
  const { _id, _creationTime, ...old } = document;
  const { _id: newId, _creationTime: newTime, ...changed } = change(old);
  expectSame("_id", "document ID", newId, _id);
  expectSame("_creationTime", "document's creation time", newTime, _creationTime);
  const kept = Object.entries(changed).filter((field): field is [string, Value] => field[1] !== undefined);
  const fields: Document = Object.fromEntries(kept);
  host.tables.check(execution.path.component, table, fields);
  store(execution, host, table, { ...fields, _id: _id!, _creationTime: _creationTime! });
  return {};
}

function expectSame(field: string, what: string, given: Value | undefined, value: Value | undefined): void {
  if (given !== undefined && given !== value)
    throw new Error(
      `Provided \`${field}\` field value ${JSON.stringify(convexToJson(given))} does not match the ${what} ${JSON.stringify(convexToJson(value ?? null))}`,
    );
}

function existing(execution: TransactionExecution, host: Host, method: string, args: Args) {
  const id = args["id"] as string;
  const table = tableOfId(execution, host, method, args);
  const document = table === null ? null : read(execution, host, table, id);
  const action = { patch: "Update", replace: "Replace", delete: "Delete" }[method];
  if (table === null || document === null) throw new Error(`${action} on nonexistent document ID ${id}`);
  writableTable(table);
  return { table, id, document };
}

/** @returns null if the component has no such table. @throws Error if it is no id, or one of another table */
function tableOfId({ path }: TransactionExecution, host: Host, method: string, args: Args): string | null {
  const { id, table: expected } = args as { id: string; table?: string };
  const table = host.tables.tableOf(path.component, id);
  if (table === null && !host.tables.isId(id))
    throw new Error(`Invalid argument \`id\` for \`db.${method}\`: Unable to decode ID: ${id}`);
  if (expected !== undefined && table !== expected)
    throw new Error(
      `Invalid argument \`id\`, expected ID in table '${expected}' but got ID in table '${table ?? "of another component"}'`,
    );
  return table;
}

function writableTable(table: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(table))
    throw new Error(`Invalid table name: "${table}". System tables cannot be written to.`);
  return table;
}

function patchedField(value: JSONValue): Value | undefined {
  return typeof value === "object" && value !== null && "$undefined" in value ? undefined : fromJson(value);
}

function onlyInMutations(method: string, mutate: Mutation): Mutation {
  return (execution, args, host) => {
    if (execution.kind !== "mutation") throw new Error(`db.${method} is not available in queries.`);
    return mutate(execution, args, host);
  };
}
