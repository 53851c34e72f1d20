// A file is a header and frames, one behind the other. A frame:
//
//   marker u32 · kind u32 · length u32 · CRC-32 of the payload u32 · CRC-32 of salt, offset and the above u32 · payload
//
// The header's checksum takes in where in which file it stands (a salt that is random to each file, and the offset):
// a document that holds a copy of a log, or a block of a deleted file, is never taken for a frame of this one.
import { crc32 } from "node:zlib";
import type { DiskFile } from "./disk.js";

export const frameKinds = { commits: 1, end: 2 } as const;

export interface Frame {
  readonly kind: number;
  readonly offset: number;
  /** Valid until the callback that it is given to returns. */
  readonly payload: Buffer;
}

export const frameHeaderBytes = 20;
/** Of a payload. A transaction writes 16 MiB at most; this leaves imports room, and bounds what reading allocates. */
export const maxPayloadBytes = 512 * 1024 * 1024;
const marker = Buffer.from([0xc7, 0x9a, 0x3e, 0x51]);
/** How much is read at once. */
const chunkBytes = 1024 * 1024;

/** @param offset - where in the file it will stand, bytes */
export function encodeFrame(kind: number, payload: readonly Buffer[], salt: Buffer, offset: number): Buffer {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.concat([Buffer.allocUnsafe(frameHeaderBytes), ...payload], frameHeaderBytes + length);
  marker.copy(frame);
  frame.writeUInt32LE(kind, 4);
  frame.writeUInt32LE(length, 8);
  frame.writeUInt32LE(crc32(frame.subarray(frameHeaderBytes)), 12);
  frame.writeUInt32LE(headerChecksum(frame, salt, offset), 16);
  return frame;
}

/**
 * Reads frames from `from` on, until the first that is not whole.
 *
 * @returns where the last whole frame ends, bytes; the file's size if it ends with it
 */
export async function readFrames(
  file: DiskFile,
  salt: Buffer,
  from: number,
  onFrame: (frame: Frame) => void,
): Promise<number> {
  const reader = new ChunkReader(file, await file.size());
  for (let offset = from; ;) {
    const header = await reader.bytes(offset, frameHeaderBytes);
    if (header === null || !isHeader(header, salt, offset)) return offset;
    const [kind, length, checksum] = [4, 8, 12].map((at) => header.readUInt32LE(at)) as [
      number,
      number,
      number,
    ];
    const payload = await reader.bytes(offset + frameHeaderBytes, length);
    if (payload === null || crc32(payload) !== checksum) return offset;
    onFrame({ kind, offset, payload });
    offset += frameHeaderBytes + length;
  }
}

/**
 * Where behind `from` the next frame begins, going by its header alone: that is there only if it was written there,
 * so what stands before it was once whole. Null: nowhere.
 */
export async function findFrame(file: DiskFile, salt: Buffer, from: number): Promise<number | null> {
  const size = await file.size();
  const reader = new ChunkReader(file, size);
  for (let start = from; start + frameHeaderBytes <= size; start += chunkBytes - frameHeaderBytes + 1) {
    const chunk = await reader.bytes(start, Math.min(chunkBytes, size - start));
    if (chunk === null) return null;
    for (let at = chunk.indexOf(marker); at >= 0; at = chunk.indexOf(marker, at + 1)) {
      const header = chunk.subarray(at, at + frameHeaderBytes);
      if (header.length === frameHeaderBytes && isHeader(header, salt, start + at)) return start + at;
    }
  }
  return null;
}

function isHeader(header: Buffer, salt: Buffer, offset: number): boolean {
  return (
    header.subarray(0, marker.length).equals(marker) &&
    header.readUInt32LE(16) === headerChecksum(header, salt, offset)
  );
}

function headerChecksum(header: Buffer, salt: Buffer, offset: number): number {
  const place = Buffer.allocUnsafe(8);
  place.writeBigUInt64LE(BigInt(offset));
  return crc32(header.subarray(0, 16), crc32(place, crc32(salt)));
}

/** Reads a file front to back, in chunks. */
class ChunkReader {
  readonly #file: DiskFile;
  readonly #size: number;
  #start = 0;
  #chunk = Buffer.alloc(0);

  constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** Null: the file ends before. */
  async bytes(from: number, count: number): Promise<Buffer | null> {
    if (from + count > this.#size) return null;
    if (from < this.#start || from + count > this.#start + this.#chunk.length) {
      const wanted = Math.min(Math.max(count, chunkBytes), this.#size - from);
      const chunk = Buffer.allocUnsafe(wanted);
      this.#chunk = chunk.subarray(0, await this.#file.read(chunk, from));
      this.#start = from;
    }
    const at = from - this.#start;
    return at + count > this.#chunk.length ? null : this.#chunk.subarray(at, at + count);
  }
}
