import { randomBytes } from "node:crypto";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { getConvexSize } from "convex/values";
import { DataDirectoryError } from "./dataDirectoryError.js";
import type { Disk, DiskFile } from "./disk.js";
import { encodeFileHeader, fileHeaderBytes, type FileHeader } from "./fileHeader.js";
import { encodeFrame, frameKinds, readFrames, type Frame } from "./frame.js";
import { fileName, temporaryName } from "./generations.js";
import { encodeCommit, type StoredCommit, type StoredTable, type StoredWrite } from "./storedCommit.js";

/** Bounds how long the event loop is held to encode a piece, and what recovery holds beside what it builds. */
const maxPieceWrites = 1000;
const maxPieceBytes = 1024 * 1024;

/**
 * Writes a snapshot under a temporary name, syncs it, renames it and syncs the folder. Nothing is left of it if this
 * throws before the rename. Lets the event loop turn after each piece.
 *
 * @param signal - ends it early, by a throw of its reason
 * @returns the snapshot's size, bytes
 */
export async function writeSnapshot(
  disk: Disk,
  folder: string,
  about: Pick<FileHeader, "generation" | "ts" | "lineage">,
  state: Iterable<StoredCommit>,
  signal: AbortSignal,
): Promise<number> {
  const header = { ...about, kind: "snapshot" as const, previousBytes: 0, salt: randomBytes(8) };
  const name = path.join(folder, fileName("snapshot", header.generation));
  const file = await disk.replace(temporaryName(name));
  let size: number;
  try {
    try {
      size = await writeContent(file, header, state, signal);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporaryName(name), name);
  } catch (error) {
    await disk.remove(temporaryName(name));
    throw error;
  }
  await disk.syncFolder(folder);
  return size;
}

async function writeContent(
  file: DiskFile,
  header: FileHeader,
  state: Iterable<StoredCommit>,
  signal: AbortSignal,
): Promise<number> {
  let size = 0;
  const write = async (bytes: Buffer) => {
    await file.write(bytes, size);
    size += bytes.length;
  };
  await write(encodeFileHeader(header));
  for (const piece of pieces(state, header.ts)) {
    await write(encodeFrame(frameKinds.commits, [encodeCommit(piece)], header.salt, size));
    await nextTurn();
    signal.throwIfAborted();
  }
  await write(encodeFrame(frameKinds.end, [], header.salt, size));
  return size;
}

/** The same writes, in order, as commits of bounded size at one timestamp. */
function* pieces(state: Iterable<StoredCommit>, ts: bigint): Generator<StoredCommit> {
  let tables: StoredTable[] = [];
  let writes: StoredWrite[] = [];
  let bytes = 0;
  for (const commit of state) {
    tables.push(...commit.tables);
    for (const write of commit.writes) {
      writes.push(write);
      bytes += write.after === null ? 0 : getConvexSize(write.after);
      if (writes.length < maxPieceWrites && bytes < maxPieceBytes) continue;
      yield { ts, tables, writes };
      [tables, writes, bytes] = [[], [], 0];
    }
  }
  if (tables.length + writes.length > 0) yield { ts, tables, writes };
}

/**
 * Reads a snapshot's commits; ignore them to check that it is whole.
 *
 * @throws DataDirectoryError `corrupt` if it is not: it was complete before it got its name
 */
export async function readSnapshot(
  file: DiskFile,
  name: string,
  header: FileHeader,
  onCommits: (frame: Frame) => void,
): Promise<void> {
  let isEnded = false;
  const end = await readFrames(file, header.salt, fileHeaderBytes, (frame) => {
    if (frame.kind === frameKinds.end) isEnded = true;
    else onCommits(frame);
  });
  if (isEnded && end === (await file.size())) return;
  throw new DataDirectoryError(
    "corrupt",
    `${name} is damaged at byte ${end}${isEnded ? ", behind its end" : ""}: a snapshot is complete, or it is not there. ` +
      "Nothing was changed. Put back a copy of the folder, or empty it to begin anew.",
  );
}
