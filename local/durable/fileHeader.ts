// What a file begins with, 64 bytes: magic · format version u32 · kind u32 · generation u64 · ts i64 · bytes of the log
// before u64 · lineage · salt · 4 bytes zero · CRC-32 of the above. Another format version changes what is behind the
// version, never what is before it.
import { crc32 } from "node:zlib";
import { DataDirectoryError } from "./dataDirectoryError.js";
import type { DiskFile } from "./disk.js";

export type FileKind = "log" | "snapshot";

export interface FileHeader {
  readonly kind: FileKind;
  readonly generation: number;
  /** Of a snapshot: what it is the state at. Of a log: of the newest commit before it. */
  readonly ts: bigint;
  /** Of a log: where the log of the generation before ended; 0 for the first. */
  readonly previousBytes: number;
  /** Random, and the same in all files of a folder: a file of another folder does not fit in. 8 bytes. */
  readonly lineage: Buffer;
  /** Random to the file. 8 bytes. */
  readonly salt: Buffer;
}

export const fileHeaderBytes = 64;
export const formatVersion = 1;
const magic = Buffer.from("cvxlocal");
const kinds = { log: 1, snapshot: 2 } as const;

export function encodeFileHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes);
  magic.copy(bytes);
  bytes.writeUInt32LE(formatVersion, 8);
  bytes.writeUInt32LE(kinds[header.kind], 12);
  bytes.writeBigUInt64LE(BigInt(header.generation), 16);
  bytes.writeBigInt64LE(header.ts, 24);
  bytes.writeBigUInt64LE(BigInt(header.previousBytes), 32);
  header.lineage.copy(bytes, 40);
  header.salt.copy(bytes, 48);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/**
 * @param expected - what the file's name says of it
 * @throws DataDirectoryError `format` for another version's file, `corrupt` for what is no header or not this file's
 */
export async function readFileHeader(
  file: DiskFile,
  path: string,
  expected: Pick<FileHeader, "kind" | "generation">,
): Promise<FileHeader> {
  const bytes = Buffer.alloc(fileHeaderBytes);
  const length = await file.read(bytes, 0);
  if (!bytes.subarray(0, 8).equals(magic))
    throw new DataDirectoryError("corrupt", `${path} does not begin as a file of this database does.`);
  const version = bytes.readUInt32LE(8);
  if (version !== formatVersion)
    throw new DataDirectoryError(
      "format",
      `${path} is of format version ${version}; this program reads version ${formatVersion}. Use the program that wrote it.`,
    );
  if (length < fileHeaderBytes || bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60)))
    throw new DataDirectoryError("corrupt", `The header of ${path} is damaged: its checksum is wrong.`);
  const generation = Number(bytes.readBigUInt64LE(16));
  if (bytes.readUInt32LE(12) !== kinds[expected.kind] || generation !== expected.generation)
    throw new DataDirectoryError(
      "corrupt",
      `${path} is not what its name says: its header is another file's, of generation ${generation}.`,
    );
  return {
    ...expected,
    ts: bytes.readBigInt64LE(24),
    previousBytes: Number(bytes.readBigUInt64LE(32)),
    lineage: bytes.subarray(40, 48),
    salt: bytes.subarray(48, 56),
  };
}
