import { DataDirectoryError } from "./dataDirectoryError.js";
import { fileHeaderBytes } from "./fileHeader.js";
import { readFrames, type Frame } from "./frame.js";
import type { CheckedFiles } from "./openFiles.js";
import { readSnapshot } from "./snapshotFile.js";
import { decodeCommits, type StoredCommit } from "./storedCommit.js";

export interface Recovered {
  /** Nanoseconds since 1970; 0: there is no commit. */
  readonly lastTs: bigint;
  /** Handed over; one that was written twice counts twice. */
  readonly documents: number;
  /** Of the logs that were read. */
  readonly logBytes: number;
  /** Cut off the log: a write that a crash had cut short. It was never reported as durable. */
  readonly tornBytes: number;
}

/** Hands over what is in the files, in order. @throws DataDirectoryError `corrupt` or `format`, and what `apply` throws */
export async function recoverFiles(
  { snapshot, logs, tornBytes }: CheckedFiles,
  apply: (commit: StoredCommit) => void,
): Promise<Recovered> {
  let lastTs = 0n;
  let documents = 0;
  const applyAll = (name: string) => (frame: Frame) => {
    for (const commit of commitsOf(frame, name)) {
      if (commit.ts < lastTs)
        throw new DataDirectoryError(
          "corrupt",
          `${name} has a commit of ${commit.ts} behind one of ${lastTs}.`,
        );
      lastTs = commit.ts;
      documents += commit.writes.filter(({ after }) => after !== null).length;
      apply(commit);
    }
  };
  if (snapshot !== null)
    await readSnapshot(snapshot.file, snapshot.name, snapshot.header, applyAll(snapshot.name));
  for (const { file, name, header, size } of logs) {
    // A compaction may have been given a later timestamp than any commit before it.
    if (header.ts > lastTs) lastTs = header.ts;
    const end = await readFrames(file, header.salt, fileHeaderBytes, applyAll(name));
    if (end !== size)
      throw new DataDirectoryError("corrupt", `${name} has changed since it was opened, at byte ${end}.`);
  }
  return { lastTs, documents, logBytes: logs.reduce((sum, { size }) => sum + size, 0), tornBytes };
}

function commitsOf({ payload, offset }: Frame, name: string): StoredCommit[] {
  try {
    return [...decodeCommits(payload)];
  } catch (cause) {
    throw new DataDirectoryError(
      "format",
      `The record at byte ${offset} of ${name} is whole, but not understood: a later version of Node wrote it? Use that one.`,
      cause,
    );
  }
}
