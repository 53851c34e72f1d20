import { randomBytes } from "node:crypto";
import path from "node:path";
import { DataDirectoryError } from "./dataDirectoryError.js";
import type { Disk, DiskFile } from "./disk.js";
import {
  encodeFileHeader,
  fileHeaderBytes,
  readFileHeader,
  type FileHeader,
  type FileKind,
} from "./fileHeader.js";
import { fileName, type RecoveryPlan } from "./generations.js";
import { findEndOfLog } from "./logFile.js";
import { readSnapshot } from "./snapshotFile.js";

/** A file that was checked: whole, and where it belongs. */
export interface CheckedFile {
  readonly name: string;
  readonly file: DiskFile;
  readonly header: FileHeader;
  /** Bytes. */
  readonly size: number;
}

export interface CheckedFiles {
  readonly snapshot: CheckedFile | null;
  /** In order; all but the last are complete. */
  readonly logs: readonly CheckedFile[];
  /** What was cut off the last log: a write that a crash had cut short. */
  readonly tornBytes: number;
}

/**
 * Opens the files of the state and checks every checksum in them; cuts off what a crash left of a last write.
 *
 * @param opened - is filled with what was opened, also if this throws: for the caller to close
 * @throws DataDirectoryError `corrupt` or `format`; nothing was changed then
 */
export async function openFiles(
  disk: Disk,
  folder: string,
  plan: RecoveryPlan,
  opened: DiskFile[],
): Promise<CheckedFiles> {
  const open = async (kind: FileKind, generation: number) => {
    const name = path.join(folder, fileName(kind, generation));
    const file = await disk.open(name);
    opened.push(file);
    return { name, file, generation };
  };
  const snapshot = plan.snapshot === null ? null : await checkSnapshot(await open("snapshot", plan.snapshot));
  const logs: CheckedFile[] = [];
  let tornBytes = 0;
  for (const generation of plan.logs) {
    const log = await open("log", generation);
    const before = logs.at(-1) ?? snapshot;
    if (generation !== plan.logs.at(-1)) {
      logs.push(await checkFinishedLog(log, before));
      continue;
    }
    const bytes = await log.file.size();
    const checked = await checkLastLog(log, before);
    logs.push(checked);
    tornBytes = checked.size === fileHeaderBytes && bytes < fileHeaderBytes ? bytes : bytes - checked.size;
  }
  return { snapshot, logs, tornBytes };
}

type OpenFile = Pick<CheckedFile, "name" | "file"> & { readonly generation: number };

async function checkSnapshot({ name, file, generation }: OpenFile): Promise<CheckedFile> {
  const header = await readFileHeader(file, name, { kind: "snapshot", generation });
  await readSnapshot(file, name, header, () => {});
  return { name, file, header, size: await file.size() };
}

async function checkFinishedLog(log: OpenFile, before: CheckedFile | null): Promise<CheckedFile> {
  const checked = await checkLog(log, before);
  const bytes = await log.file.size();
  if (bytes === checked.size) return checked;
  throw new DataDirectoryError(
    "corrupt",
    `${log.name} is damaged at byte ${checked.size}: the record there is not whole, though another log follows. ` +
      "Nothing was changed. Put back a copy of the folder.",
  );
}

/** Cuts off what is not whole. */
async function checkLastLog(log: OpenFile, before: CheckedFile | null): Promise<CheckedFile> {
  const { file, generation } = log;
  const bytes = await file.size();
  if (bytes < fileHeaderBytes) {
    // No crash does this, as the header was synced before the log got its name: the file system lost the rest. Cut to
    // its first bytes or at a later record's border, a last log cannot be told from one that was not written further.
    const header: FileHeader = {
      kind: "log",
      generation,
      ts: before?.header.ts ?? 0n,
      previousBytes: before?.header.kind === "log" ? before.size : 0,
      lineage: before?.header.lineage ?? randomBytes(8),
      salt: randomBytes(8),
    };
    await file.write(encodeFileHeader(header), 0);
    await file.sync();
    return { ...log, header, size: fileHeaderBytes };
  }
  const checked = await checkLog(log, before);
  if (checked.size < bytes) {
    await file.truncate(checked.size);
    await file.sync();
  }
  return checked;
}

async function checkLog(
  { name, file, generation }: OpenFile,
  before: CheckedFile | null,
): Promise<CheckedFile> {
  const header = await readFileHeader(file, name, { kind: "log", generation });
  const isOfFolder = before === null || header.lineage.equals(before.header.lineage);
  const isNext = before === null || before.header.kind === "snapshot" || header.previousBytes === before.size;
  if (!isOfFolder || !isNext)
    throw new DataDirectoryError(
      "corrupt",
      `${name} does not continue ${before.name}: ` +
        (isOfFolder
          ? `that ended at byte ${header.previousBytes}, not ${before.size}`
          : "it is of another folder") +
        ". Nothing was changed. Put back a copy of the folder.",
    );
  return { name, file, header, size: await findEndOfLog(file, name, header) };
}
