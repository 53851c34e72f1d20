// Two designs behind one seam, so that a benchmark does the same with both: ours, the component as it is, and the
// obvious one (bench/obvious). Both run on the local backend's engine, in this process.
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import type { CallResult, FunctionCall, Identity } from "../local/engine/engine.js";
import type { EngineOptions, LocalEngine } from "../local/engine/localEngine.js";
import type { Author } from "./author.js";

/** Where documents are, unless a benchmark says otherwise. */
export const scope = "DE";
export const collection = "sites";

/** An update of one document, and what the document is with it. */
export interface Edit {
  readonly document: string;
  /** Its text field that is changed, or "": its small fields. The obvious design knows no such difference. */
  readonly part: string;
  readonly scope: string;
  /** A blob: format byte and Yjs update. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly row: Readonly<Record<string, Value>>;
  /** It is the document's first. */
  readonly isInsert: boolean;
}

/** A tab that others see. */
export interface Tab {
  beat(): FunctionCall;
  show(state: Value): FunctionCall;
}

export interface Design {
  readonly name: "ours" | "obvious";
  readonly engine: LocalEngine;
  /** One call that carries edits of one client. @throws later, from `check`, if one was not applied */
  push(author: Author, edits: readonly Edit[]): FunctionCall;
  /** @throws Error unless all that was pushed was applied */
  checkPushed(answer: JSONValue): void;
  /** @param cursor - as an answer told it; null: from the beginning */
  pull(scope: string, cursor: JSONValue): FunctionCall;
  cursorAfter(answer: JSONValue): JSONValue;
  entriesIn(answer: JSONValue): number;
  compact(document: string): FunctionCall;
  /** @returns a tab in a document, shown there already */
  enter(document: string, number: number): Promise<Tab>;
  presence(document: string): FunctionCall;
  /** How many documents there are. */
  stats(): FunctionCall;
  /** Stores edits as they are, all at once, without what a push does beside. */
  seedDeltas(edits: readonly Edit[]): Promise<void>;
  /** Makes it look as if all of so many documents, just stored, had been counted long ago. Their ids are {@link idOf} */
  noteCounted(documents: number): Promise<void>;
}

/** Ids that sort as their numbers. */
export function idOf(n: number): string {
  return `s${String(n).padStart(6, "0")}`;
}

export type StartDesign = (options: EngineOptions) => Promise<Design>;

export type Succeeded = CallResult & { readonly ok: true };

/** @throws Error if the call fails */
export async function succeed(engine: LocalEngine, call: FunctionCall): Promise<Succeeded> {
  const result = await engine.run(call);
  if (!result.ok) throw new Error(`"${call.path}" failed: ${result.message}`);
  return result;
}

export function callOf(
  kind: FunctionCall["kind"],
  path: string,
  args: object,
  identity: Identity | null = null,
): FunctionCall {
  return { kind, path, args: convexToJson(args as Value), identity, isTrusted: true };
}

export function valueOf<T>(json: JSONValue): T {
  return jsonToConvex(json) as T;
}
