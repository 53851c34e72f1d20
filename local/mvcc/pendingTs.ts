// A mutation writes and returns its own commit timestamp before there is one: until the commit, a placeholder stands
// for it, which sorts behind every timestamp that is there (convex: `ctx.db.vars.commitTs`).
import { CommitTsPlaceholder, type Value } from "convex/values";

const behindAllTimestamps = 2n ** 63n - 1n;

/** The value as its transaction sees it in indexes, filters and validators. */
export function asPending<T extends Value | undefined>(value: T): T {
  return withCommitTs(value, behindAllTimestamps);
}

/** The value as it is committed. The same one if no placeholder is in it. */
export function withCommitTs<T extends Value | undefined>(value: T, ts: bigint): T {
  return hasPlaceholder(value) ? (substitute(value as Value, ts) as T) : value;
}

export function hasPlaceholder(value: unknown): boolean {
  if (value === null || typeof value !== "object") return false;
  if (value instanceof CommitTsPlaceholder) return true;
  if (value instanceof ArrayBuffer) return false;
  return Object.values(value).some(hasPlaceholder);
}

function substitute(value: Value, ts: bigint): Value {
  if (value instanceof CommitTsPlaceholder) return ts;
  if (Array.isArray(value)) return value.map((item: Value) => substitute(item, ts));
  if (value === null || typeof value !== "object" || value instanceof ArrayBuffer) return value;
  const entries = Object.entries(value as Record<string, Value>);
  return Object.fromEntries(entries.map(([name, field]) => [name, substitute(field, ts)]));
}
