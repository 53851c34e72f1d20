import { checksumOfValue } from "./checksum.js";

/** A value as it is stored, with what tells whether it is still what was written. */
export interface Sealed<T> {
  readonly value: T;
  readonly checksum: number;
}

export function seal<T>(value: T): Sealed<T> {
  return { value, checksum: checksumOfValue(value) };
}

/** @returns null if `record` is not what {@link seal} made, or was changed since */
export function unseal<T>(record: Sealed<T> | undefined): { readonly value: T } | null {
  if (typeof record !== "object" || record === null) return null;
  return checksumOfValue(record.value) === record.checksum ? { value: record.value } : null;
}
