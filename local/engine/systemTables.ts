import type { Value } from "convex/values";
import type { Document } from "./engine.js";
import type { FunctionPath } from "./functions.js";

/** Functions that are to run, run, or ran: written by `ctx.scheduler`, updated as they run, deleted at the first start a week later. */
export const scheduledFunctions = "_scheduled_functions";
/** Stored files: written and deleted by `ctx.storage`. */
export const storedFiles = "_storage";

export function isSystemTable(table: string): boolean {
  return table.startsWith("_");
}

/** Who a scheduled function is, beside what users see of it: it may be another component's. */
const target = "_target";

/** What of a document functions see. */
export function toUser(table: string, document: Document): Document {
  if (table !== scheduledFunctions) return document;
  const { [target]: _, ...seen } = document;
  return seen;
}

export function withTarget(fields: Document, { component, name }: FunctionPath): Document {
  return { ...fields, [target]: { component, name } };
}

export function targetOf(job: Document): FunctionPath {
  const { component, name } = job[target] as Record<string, Value>;
  return { component: component as string, name: name as string };
}
