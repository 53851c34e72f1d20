import type { Value } from "convex/values";
import type { Document } from "./engine/engine.js";

/** The value at a path; undefined if any part of it is not there. */
export function fieldOf(document: Document, path: readonly string[]): Value | undefined {
  let value: unknown = document;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value as Value | undefined;
}
