import { systemRandomness, type Randomness } from "./clock.js";

/** Drawn at a time. */
const ids = 64;

/**
 * Randomness of this device. Ids are UUIDs of version 4; their bits are drawn for many at once: a call of Chromium's
 * generator takes 20 µs, however little is asked of it, and each write needs an id.
 */
export function createRandomness(): Randomness {
  const bytes = new Uint8Array(16 * ids);
  let next = bytes.length;
  const id = () => {
    if (next === bytes.length) {
      crypto.getRandomValues(bytes);
      next = 0;
    }
    const drawn = bytes.subarray(next, next + 16);
    next += 16;
    return uuidOf(drawn);
  };
  return { ...systemRandomness, id };
}

/** RFC 9562, 5.4. Overwrites the bits that say which version it is. */
function uuidOf(bytes: Uint8Array): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  let hex = "";
  for (const byte of bytes) hex += (byte + 0x100).toString(16).slice(1);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
