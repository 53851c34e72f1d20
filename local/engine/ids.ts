// Document ids as Convex makes them: table number, 16 random bytes and a checksum, in Crockford's base 32. An id tells
// its table by itself, within the component that it is of.
import type { Random } from "./random.js";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const randomBytes = 16;
const checksumBytes = 2;
/** Of a table's number, which has 32 bits. */
const mostTableBytes = 5;

export function createId(tableNumber: number, random: Random): string {
  const table = toVarint(tableNumber);
  const bytes = new Uint8Array(table.length + randomBytes + checksumBytes);
  bytes.set(table);
  random.fill(bytes.subarray(table.length, table.length + randomBytes));
  const [low, high] = fletcher16(bytes.subarray(0, -checksumBytes));
  bytes.set([low, high], bytes.length - checksumBytes);
  return encode(bytes);
}

/** @returns null if it is no id at all */
export function tableNumberOf(id: string): number | null {
  const bytes = decode(id);
  if (bytes === null || id.length !== Math.ceil((bytes.length * 8) / 5)) return null;
  const tableBytes = bytes.length - randomBytes - checksumBytes;
  if (tableBytes < 1 || tableBytes > mostTableBytes) return null;
  const [low, high] = fletcher16(bytes.subarray(0, -checksumBytes));
  if (bytes.at(-2) !== low || bytes.at(-1) !== high) return null;
  return fromVarint(bytes.subarray(0, -randomBytes - checksumBytes));
}

function toVarint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...toVarint(value >>> 7)];
}

function fromVarint(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 128 + (byte & 127), 0);
}

function fletcher16(bytes: Uint8Array): [number, number] {
  let [low, high] = [0, 0];
  for (const byte of bytes) {
    low = (low + byte) % 256;
    high = (high + low) % 256;
  }
  return [low, high];
}

function encode(bytes: Uint8Array): string {
  let [text, bits, count] = ["", 0, 0];
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += alphabet[(bits >>> count) & 31];
    }
    bits &= (1 << count) - 1;
  }
  return count === 0 ? text : text + alphabet[(bits << (5 - count)) & 31];
}

function decode(text: string): Uint8Array | null {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [place, bits, count] = [0, 0, 0];
  for (const letter of text) {
    const value = alphabet.indexOf(letter);
    if (value < 0) return null;
    bits = (bits << 5) | value;
    count += 5;
    if (count >= 8) {
      count -= 8;
      bytes[place++] = bits >>> count;
      bits &= (1 << count) - 1;
    }
  }
  return bits === 0 ? bytes : null; // what is left over is padding
}
