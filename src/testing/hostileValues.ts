import type { Value } from "convex/values";

const mib = 1024 * 1024;

/** What nobody honest sends, in place of any value. Made anew each time: some are large. */
export const hostileValues: Record<string, () => unknown> = {
  null: () => null,
  "no value": () => undefined,
  "the empty string": () => "",
  NUL: () => "a\0b",
  "the end of all ids": () => "\uffff",
  "half a character": () => "a\ud800",
  "a name of all objects": () => "__proto__",
  "a method of all objects": () => "constructor",
  "a foreign name": () => "somebody else's",
  "a long string": () => "x".repeat(2000),
  "5 MiB of text": () => "x".repeat(5 * mib),
  "not a number": () => NaN,
  "minus one": () => -1,
  "a half": () => 0.5,
  infinity: () => Infinity,
  "the largest number": () => Number.MAX_VALUE,
  "the largest bigint": () => 2n ** 63n - 1n,
  "a negative bigint": () => -1n,
  "an empty array": () => [],
  "an empty object": () => ({}),
  "a deep object": () => nested(60),
  "a wide object": () => Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`k${n}`, n])),
  "no bytes": () => new ArrayBuffer(0),
  "some bytes": () => new Uint8Array([1, 255, 255, 255, 127, 3, 9]).buffer,
  "5 MiB of bytes": () => new ArrayBuffer(5 * mib),
};

function nested(depth: number): Value {
  let value: Value = "end";
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

export type Path = readonly (string | number)[];

/** Every place in a value, itself not among them. */
export function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const place = [...path, Array.isArray(value) ? Number(key) : key];
    return [place, ...placesIn(inner, place)];
  });
}

/** A copy of a value with something else at a place; `undefined` takes it away. */
export function replaceAt(value: unknown, [key, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (key === undefined) return change(value);
  if (Array.isArray(value))
    return value.map((inner: unknown, n) => (n === key ? replaceAt(inner, rest, change) : inner));
  const record = value as Record<string, unknown>;
  const replaced = replaceAt(record[key], rest, change);
  const others = Object.entries(record).filter(([name]) => name !== key);
  return Object.fromEntries(replaced === undefined ? others : [...others, [key, replaced]]);
}

/** Bytes with one bit flipped. */
export function flipBit(bytes: ArrayBuffer, bit: number): ArrayBuffer {
  const flipped = new Uint8Array(bytes.slice(0));
  if (flipped.length > 0) flipped[(bit >> 3) % flipped.length]! ^= 1 << (bit % 8);
  return flipped.buffer;
}
