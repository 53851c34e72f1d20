// Main documents in Yjs: see mainState.ts for their layout. Keys are overwritten, never deleted: so every update that
// changes anything adds a struct, and "the state vector covers its clocks" is the exact test that a state contains it.
import type { Value } from "convex/values";
import * as Y from "yjs";
import { canonicalJson, isSameValue } from "./canonicalJson.js";
import {
  deletedKey,
  existenceOf,
  incarnationKey,
  incarnationOf,
  isCanonicalMember,
  parseKey,
  projectMain,
  rootName,
  versionKey,
  type MainState,
} from "./mainState.js";
import type { Operation } from "./operations.js";
import { fromYjsValue, isPlainYjsValue, toYjsValue } from "./yjsValues.js";

export type { MainState };

/** What an update wrote, told from a root key that it changed. Values that clear a field are left out. */
export type MainWrite =
  | { readonly kind: "existence" }
  /** `clocks`: how many there were, see {@link clocksIn}, in the state that was migrated. */
  | { readonly kind: "version"; readonly version: number; readonly clocks: number }
  | { readonly kind: "register"; readonly field: string }
  | { readonly kind: "counter" | "member"; readonly field: string; readonly incarnation: number };

/** What brings a document to a schema version: registers that this version holds differently. */
export interface Migration {
  readonly version: number;
  /** `undefined` clears one. */
  readonly registers: ReadonlyMap<string, Value | undefined>;
}

/** How many clocks of all authors a state contains: of two states of which one contains the other, which it is. */
export function clocksIn(doc: Y.Doc): number {
  let sum = 0;
  for (const client of doc.store.clients.keys()) sum += Y.getState(doc.store, client);
  return sum;
}

export function rootOf(doc: Y.Doc): Y.Map<unknown> {
  return doc.getMap(rootName);
}

/** Projects a main document's Yjs doc onto its fields of the current incarnation. @throws see {@link projectMain} */
export function readMain(doc: Y.Doc): MainState {
  return projectMain(rootOf(doc));
}

/**
 * Writes operations into the doc under `author`'s Yjs client id, in one Yjs transaction. What would change
 * nothing writes nothing: Yjs emits an update even for an equal value.
 *
 * @param migration what the document is to be migrated to before
 * @returns whether the operations, not the migration, changed anything
 */
export function applyOperations(
  doc: Y.Doc,
  author: number,
  operations: readonly Operation[],
  migration?: Migration,
): boolean {
  doc.clientID = author;
  const root = rootOf(doc);
  return doc.transact(() => {
    if (migration !== undefined) migrate(root, migration, clocksIn(doc));
    const before = Y.getState(doc.store, author);
    for (const operation of operations) applyOperation(root, author, operation);
    return Y.getState(doc.store, author) > before;
  });
}

/**
 * Why `author` may not have written `value` under the root key `name`, or undefined if it may. An entry of an
 * update from the network is checked with this before anything else reads it.
 */
export function faultOfEntry(name: string, value: unknown, author: number): string | undefined {
  const key = parseKey(name);
  if (value instanceof Y.AbstractType || value instanceof Y.Doc) return "holds a nested Yjs type";
  if (key.kind === "register")
    return isPlainYjsValue(value) ? undefined : "has a field __proto__, which cannot be stored";
  if (key.kind === "version")
    return Number.isSafeInteger(value) && (value as number) >= 0
      ? undefined
      : "is a reserved key with a wrong value";
  if (key.kind === "reserved") {
    const isFlag = name === deletedKey && typeof value === "boolean";
    const isCount = name === incarnationKey && Number.isSafeInteger(value) && (value as number) > 0;
    return isFlag || isCount ? undefined : "is a reserved key with a wrong value";
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return "is a counter that is no finite number";
    return key.rest === String(author) ? undefined : "is the counter of another author";
  }
  if (typeof value !== "boolean") return "is neither a counter nor a set member";
  return isCanonicalMember(key.rest) ? undefined : "names no set member";
}

/** See {@link MainWrite}; null for what clears a register and for the incarnation, which come with others. */
export function writeOf(name: string, value: unknown): MainWrite | null {
  const key = parseKey(name);
  if (name === deletedKey) return { kind: "existence" };
  if (key.kind === "reserved") return null;
  if (key.kind === "version") return { kind: "version", version: key.version, clocks: value as number };
  if (key.kind === "register") return value === undefined ? null : { kind: "register", field: key.field };
  const kind = typeof value === "number" ? "counter" : "member";
  return value === false ? null : { kind, field: key.field, incarnation: key.incarnation };
}

function applyOperation(root: Y.Map<unknown>, author: number, operation: Operation): void {
  const keyOf = (field: string, rest: string) => `${field}\0${incarnationOf(root)}\0${rest}`;
  switch (operation.type) {
    case "insert":
      return insert(root, operation.fields);
    case "delete":
      return remove(root);
    case "set":
      return setRegister(root, operation.field, operation.value);
    case "increment": {
      const key = keyOf(operation.field, String(author));
      if (operation.by !== 0) root.set(key, ((root.get(key) as number | undefined) ?? 0) + operation.by);
      return;
    }
    case "add":
      return setFlag(root, keyOf(operation.field, canonicalJson(operation.member)), true);
    case "remove": {
      const key = keyOf(operation.field, canonicalJson(operation.member));
      if (root.get(key) === true) root.set(key, false);
    }
  }
}

function migrate(root: Y.Map<unknown>, { version, registers }: Migration, clocks: number): void {
  root.set(versionKey(version), clocks);
  for (const [field, value] of registers) setRegister(root, field, value);
}

function insert(root: Y.Map<unknown>, fields: Readonly<Record<string, Value>>): void {
  if (existenceOf(root) === "deleted") root.set(incarnationKey, incarnationOf(root) + 1);
  setFlag(root, deletedKey, false);
  clearRegisters(root, (field) => !Object.hasOwn(fields, field));
  for (const [field, value] of Object.entries(fields)) setRegister(root, field, value);
}

/** Clearing what the document held is what lets it shrink to a tombstone. Other authors' sums stay theirs. */
function remove(root: Y.Map<unknown>): void {
  setFlag(root, deletedKey, true);
  clearRegisters(root, () => true);
  for (const [name, value] of [...root.entries()]) {
    if (parseKey(name).kind === "keyed" && value === true) root.set(name, false);
  }
}

function clearRegisters(root: Y.Map<unknown>, shouldClear: (field: string) => boolean): void {
  for (const [name, value] of [...root.entries()]) {
    const key = parseKey(name);
    if (key.kind === "register" && value !== undefined && shouldClear(key.field)) root.set(name, undefined);
  }
}

function setRegister(root: Y.Map<unknown>, field: string, value: Value | undefined): void {
  const current = root.get(field);
  const isUnset = current === undefined;
  if (isUnset ? value === undefined : isSameValue(fromYjsValue(current), value)) return;
  setPlain(root, field, value === undefined ? undefined : toYjsValue(value));
}

/**
 * `Y.Map.set` tells what a value is by its `constructor`, and refuses an object that has a field of this name: for such
 * a one its item is made here, as Yjs would make it. To be called in a transaction.
 */
function setPlain(root: Y.Map<unknown>, key: string, value: unknown): void {
  const doc = root.doc;
  const transaction = doc?._transaction;
  if (!hasConstructorField(value) || !doc || !transaction) {
    root.set(key, value);
    return;
  }
  const left = root._map.get(key) ?? null;
  const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID));
  const content = new Y.ContentAny([value]);
  new Y.Item(id, left, left && left.lastId, null, null, root, key, content).integrate(transaction, 0);
}

function hasConstructorField(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "constructor");
}

function setFlag(root: Y.Map<unknown>, key: string, value: boolean): void {
  if (root.get(key) !== value) root.set(key, value);
}
