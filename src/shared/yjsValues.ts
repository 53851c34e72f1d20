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

/**
 * Whether no object in a value that Yjs has read has another prototype than an object literal: Yjs sets what an update
 * calls `__proto__`, and cannot encode a document again in which an object inherits from bytes.
 */
export function isPlainYjsValue(value: unknown): boolean {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return true;
  if (Array.isArray(value)) return value.every(isPlainYjsValue);
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isPlainYjsValue);
}

/** Fields that are undefined are left out, as in Convex. `fromEntries` defines `__proto__` as a plain field. */
function mapFields<T>(value: object, map: (field: unknown) => T): Record<string, T> {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([name, field]) => [name, map(field)]));
}
