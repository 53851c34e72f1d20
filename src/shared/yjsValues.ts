import type { Value } from "convex/values";

/** A Convex value as Yjs stores it: ArrayBuffer becomes Uint8Array, at any depth. */
export function toYjsValue(value: Value): unknown {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(toYjsValue);
  if (value === null || typeof value !== "object") return value;
  return mapFields(value, (field) => toYjsValue(field as Value));
}

/**
 * The reverse of {@link toYjsValue}. Bytes are copied: a view would keep the whole update alive. Never throws: `isView`
 * asks what a value is, where `instanceof` believes its prototype, which an update can choose (`__proto__`).
 */
export function fromYjsValue(value: unknown): Value {
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice().buffer as ArrayBuffer;
  if (Array.isArray(value)) return value.map(fromYjsValue);
  if (value === null || typeof value !== "object") return value as Value;
  return mapFields(value, fromYjsValue);
}

/** Fields that are undefined are left out, as in Convex. `fromEntries` defines `__proto__` as a plain field. */
function mapFields<T>(value: object, map: (field: unknown) => T): Record<string, T> {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([name, field]) => [name, map(field)]));
}
