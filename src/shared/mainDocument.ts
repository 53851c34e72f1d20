// The layout of a main document in its Yjs doc, in one place: root `Y.Map` named `r` with flat keys
//   field                          register        its value, `undefined` once removed
//   field \0 incarnation \0 JSON   set member      true, false once removed
//   field \0 incarnation \0 author counter         that author's sum
//   \0deleted                      deletion        false from insert to delete, then true
//   \0n                            incarnation     raised by an insert after a deletion
// Keys are overwritten, never deleted: so every update that changes anything adds a struct, and "the state
// vector covers its clocks" is the exact test that a state contains it. Sums and members are keyed by the
// incarnation: those of a deleted document do not come back with a later insert of its id.
import { jsonToConvex, type JSONValue, type Value } from "convex/values";
import * as Y from "yjs";
import { canonicalJson, isSameValue } from "./canonicalJson.js";
import type { Operation, Primitive } from "./operations.js";
import { fromYjsValue, toYjsValue } from "./yjsValues.js";

const ROOT = "r";
const DELETED = "\0deleted";
const INCARNATION = "\0n";

/** A main document's fields, read without its definition. Maps, because names come from the network. */
export interface MainState {
  /** `absent`: never inserted. */
  readonly existence: "absent" | "present" | "deleted";
  readonly incarnation: number;
  readonly registers: ReadonlyMap<string, Value>;
  readonly counters: ReadonlyMap<string, number>;
  /** Members in canonical JSON order, the same on every replica. */
  readonly sets: ReadonlyMap<string, readonly Primitive[]>;
}

/** What an update wrote, told from a root key that it changed. Values that clear a field are left out. */
export type MainWrite =
  | { readonly kind: "existence" }
  | { readonly kind: "register"; readonly field: string }
  | { readonly kind: "counter" | "member"; readonly field: string; readonly incarnation: number };

type Key =
  | { kind: "reserved" }
  | { kind: "register"; field: string }
  | { kind: "keyed"; field: string; incarnation: number; rest: string };

export function rootOf(doc: Y.Doc): Y.Map<unknown> {
  return doc.getMap(ROOT);
}

/** Projects a main document's Yjs doc onto its fields of the current incarnation. */
export function readMain(doc: Y.Doc): MainState {
  const root = rootOf(doc);
  const incarnation = incarnationOf(root);
  const registers = new Map<string, Value>();
  const counters = new Map<string, number>();
  const members = new Map<string, string[]>();
  for (const [name, value] of root.entries()) {
    const key = parseKey(name);
    if (key.kind === "register" && value !== undefined) registers.set(key.field, fromYjsValue(value));
    if (key.kind !== "keyed" || key.incarnation !== incarnation) continue;
    if (typeof value === "number") counters.set(key.field, (counters.get(key.field) ?? 0) + value);
    if (value === true) members.set(key.field, [...(members.get(key.field) ?? []), key.rest]);
  }
  const sets = new Map([...members].map(([field, list]) => [field, list.sort().map(parseMember)]));
  return { existence: existenceOf(root), incarnation, registers, counters, sets };
}

/**
 * Writes operations into the doc under `author`'s Yjs client id, in one Yjs transaction. What would change
 * nothing writes nothing: Yjs emits an update even for an equal value.
 */
export function applyOperations(doc: Y.Doc, author: number, operations: readonly Operation[]): void {
  doc.clientID = author;
  const root = rootOf(doc);
  doc.transact(() => {
    for (const operation of operations) applyOperation(root, author, operation);
  });
}

/**
 * Why `author` may not have written `value` under the root key `name`, or undefined if it may. An entry of an
 * update from the network is checked with this before anything else reads it.
 */
export function faultOfEntry(name: string, value: unknown, author: number): string | undefined {
  const key = parseKey(name);
  if (value instanceof Y.AbstractType || value instanceof Y.Doc) return "holds a nested Yjs type";
  if (key.kind === "register") return undefined;
  if (key.kind === "reserved") {
    const isFlag = name === DELETED && typeof value === "boolean";
    const isCount = name === INCARNATION && Number.isSafeInteger(value) && (value as number) > 0;
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
  if (name === DELETED) return { kind: "existence" };
  if (key.kind === "reserved") return null;
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

function insert(root: Y.Map<unknown>, fields: Readonly<Record<string, Value>>): void {
  if (existenceOf(root) === "deleted") root.set(INCARNATION, incarnationOf(root) + 1);
  setFlag(root, DELETED, false);
  clearRegisters(root, (field) => !Object.hasOwn(fields, field));
  for (const [field, value] of Object.entries(fields)) setRegister(root, field, value);
}

/** Clearing what the document held is what lets it shrink to a tombstone. Other authors' sums stay theirs. */
function remove(root: Y.Map<unknown>): void {
  setFlag(root, DELETED, true);
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
  root.set(field, value === undefined ? undefined : toYjsValue(value));
}

function setFlag(root: Y.Map<unknown>, key: string, value: boolean): void {
  if (root.get(key) !== value) root.set(key, value);
}

function existenceOf(root: Y.Map<unknown>): MainState["existence"] {
  const deleted = root.get(DELETED);
  return deleted === undefined ? "absent" : deleted === true ? "deleted" : "present";
}

function incarnationOf(root: Y.Map<unknown>): number {
  const value = root.get(INCARNATION);
  return typeof value === "number" ? value : 0;
}

function parseKey(name: string): Key {
  const first = name.indexOf("\0");
  if (first < 0) return { kind: "register", field: name };
  const second = name.indexOf("\0", first + 1);
  if (first === 0 || second < 0) return { kind: "reserved" };
  const incarnation = Number(name.slice(first + 1, second));
  return { kind: "keyed", field: name.slice(0, first), incarnation, rest: name.slice(second + 1) };
}

function parseMember(json: string): Primitive {
  return jsonToConvex(JSON.parse(json) as JSONValue) as Primitive;
}

function isCanonicalMember(json: string): boolean {
  try {
    const member = parseMember(json);
    return typeof member !== "object" && canonicalJson(member) === json;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
