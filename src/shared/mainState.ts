// The layout of a main document, in one place: a map `r` with flat keys
//   field                          register        its value, `undefined` once removed
//   field \0 incarnation \0 JSON   set member      true, false once removed
//   field \0 incarnation \0 author counter         that author's sum
//   \0deleted                      deletion        false from insert to delete, then true
//   \0n                            incarnation     raised by an insert after a deletion
//   \0v version                    schema version  how many clocks the state had that was migrated to this version
// Sums and members are keyed by the incarnation: those of a deleted document do not come back with a later insert of
// its id. A document's schema version is the greatest that it has a key of: however concurrent writes merge, it only rises.
// What is here needs no Yjs: the entries may come from a Yjs doc or straight from the bytes of one.
import { jsonToConvex, type JSONValue, type Value } from "convex/values";
import { canonicalJson } from "./canonicalJson.js";
import type { Primitive } from "./operations.js";
import { fromYjsValue } from "./yjsValues.js";

/** The name of the root map. */
export const rootName = "r";
export const deletedKey = "\0deleted";
export const incarnationKey = "\0n";

/** A main document's fields, read without its definition. Maps, because names come from the network. */
export interface MainState {
  /** `absent`: never inserted. */
  readonly existence: "absent" | "present" | "deleted";
  readonly incarnation: number;
  /** The schema version that its registers are of: that of the definition under which they were last migrated; from 1. */
  readonly version: number;
  readonly registers: ReadonlyMap<string, Value>;
  readonly counters: ReadonlyMap<string, number>;
  /** Members in canonical JSON order, the same on every replica. */
  readonly sets: ReadonlyMap<string, readonly Primitive[]>;
}

/** The entries of a root map, in any order: a `Y.Map` or a `Map`. */
export interface MainEntries {
  get(name: string): unknown;
  entries(): Iterable<[string, unknown]>;
}

type Key =
  | { kind: "reserved" }
  | { kind: "version"; version: number }
  | { kind: "register"; field: string }
  | { kind: "keyed"; field: string; incarnation: number; rest: string };

/**
 * Projects the entries of a root map onto the fields of the current incarnation. The same on every replica, in whatever
 * order it holds them.
 *
 * @throws SyntaxError, or Error of Convex, if the key of a set member cannot be parsed
 */
export function projectMain(entries: MainEntries): MainState {
  const incarnation = incarnationOf(entries);
  const registers = new Map<string, Value>();
  const sums = new Map<string, Sum[]>();
  const members = new Map<string, string[]>();
  let version = 1;
  for (const [name, value] of entries.entries()) {
    const key = parseKey(name);
    if (key.kind === "version") version = Math.max(version, key.version);
    if (key.kind === "register" && value !== undefined) registers.set(key.field, fromYjsValue(value));
    if (key.kind !== "keyed" || key.incarnation !== incarnation) continue;
    if (typeof value === "number") listIn(sums, key.field).push({ author: key.rest, value });
    if (value === true) listIn(members, key.field).push(key.rest);
  }
  const counters = new Map<string, number>();
  for (const [field, list] of sums) counters.set(field, addUp(list));
  const sets = new Map<string, Primitive[]>();
  for (const [field, list] of members) sets.set(field, list.sort().map(parseMember));
  return { existence: existenceOf(entries), incarnation, version, registers, counters, sets };
}

export function existenceOf(entries: Pick<MainEntries, "get">): MainState["existence"] {
  const deleted = entries.get(deletedKey);
  return deleted === undefined ? "absent" : deleted === true ? "deleted" : "present";
}

export function incarnationOf(entries: Pick<MainEntries, "get">): number {
  const value = entries.get(incarnationKey);
  return typeof value === "number" ? value : 0;
}

/** The key that says that a document is of `version`, from 2 on. */
export function versionKey(version: number): string {
  return `\0v${version}`;
}

/** An incarnation, or a version, has one spelling: with two, an entry could be there twice. */
export function parseKey(name: string): Key {
  const first = name.indexOf("\0");
  if (first < 0) return { kind: "register", field: name };
  const second = name.indexOf("\0", first + 1);
  if (first === 0) return parseReserved(name);
  if (second < 0) return { kind: "reserved" };
  const digits = name.slice(first + 1, second);
  const incarnation = Number(digits);
  if (String(incarnation) !== digits) return { kind: "reserved" };
  return { kind: "keyed", field: name.slice(0, first), incarnation, rest: name.slice(second + 1) };
}

function parseReserved(name: string): Key {
  const version = name[1] === "v" ? Number(name.slice(2)) : NaN;
  const isVersion = Number.isSafeInteger(version) && version > 1 && name === versionKey(version);
  return isVersion ? { kind: "version", version } : { kind: "reserved" };
}

export function isCanonicalMember(json: string): boolean {
  try {
    const member = parseMember(json);
    return typeof member !== "object" && canonicalJson(member) === json;
  } catch {
    return false; // no JSON, or JSON that is no Convex value
  }
}

interface Sum {
  readonly author: string;
  readonly value: number;
}

/** In an order that all replicas share: fractions added up in another one differ in their last digit. */
function addUp(sums: Sum[]): number {
  if (sums.length > 1) sums.sort((a, b) => (a.author < b.author ? -1 : 1));
  return sums.reduce((total, { value }) => total + value, 0);
}

function listIn<T>(lists: Map<string, T[]>, field: string): T[] {
  const list = lists.get(field) ?? [];
  if (list.length === 0) lists.set(field, list);
  return list;
}

function parseMember(json: string): Primitive {
  return jsonToConvex(JSON.parse(json) as JSONValue) as Primitive;
}
