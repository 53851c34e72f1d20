import { limits } from "../shared/limits.js";

type Chunk = { bytes: ArrayBuffer; chunk: { index: number; count: number } };

/** Splits bytes into pieces that fit a row. Empty bytes are one empty piece. */
export function splitChunks(bytes: ArrayBuffer): Chunk[] {
  const count = Math.max(1, Math.ceil(bytes.byteLength / limits.chunkBytes));
  return Array.from({ length: count }, (_, index) => ({
    bytes: bytes.slice(index * limits.chunkBytes, (index + 1) * limits.chunkBytes),
    chunk: { index, count },
  }));
}

/**
 * Joins rows in index order into entries: a row with `chunk.index` 0 begins one, the others continue it.
 * The fields of an entry are those of its first row.
 */
export function joinChunks<Row extends Chunk>(rows: readonly Row[]): Row[] {
  const groups: Row[][] = [];
  for (const row of rows) {
    const open = groups.at(-1);
    if (row.chunk.index === 0 || open === undefined) groups.push([row]);
    else open.push(row);
  }
  return groups.map((group) => ({ ...(group[0] as Row), bytes: concat(group.map((row) => row.bytes)) }));
}

function concat(pieces: readonly ArrayBuffer[]): ArrayBuffer {
  if (pieces.length === 1) return pieces[0] as ArrayBuffer;
  const joined = new Uint8Array(pieces.reduce((total, piece) => total + piece.byteLength, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(new Uint8Array(piece), offset);
    offset += piece.byteLength;
  }
  return joined.buffer;
}
