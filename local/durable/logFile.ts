import { randomBytes } from "node:crypto";
import path from "node:path";
import { DataDirectoryError } from "./dataDirectoryError.js";
import type { Disk, DiskFile } from "./disk.js";
import { encodeFileHeader, fileHeaderBytes, type FileHeader } from "./fileHeader.js";
import { encodeFrame, findFrame, frameKinds, readFrames } from "./frame.js";
import { fileName, temporaryName } from "./generations.js";

/** A log that commits are appended to. One call at a time. */
export class LogFile {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #file: DiskFile;
  readonly header: FileHeader;
  #size: number;

  constructor(disk: Disk, folder: string, file: DiskFile, header: FileHeader, size: number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#file = file;
    this.header = header;
    this.#size = size;
  }

  /** An empty one under a temporary name, synced; nothing is left of it if this throws. See {@link place}. */
  static async create(
    disk: Disk,
    folder: string,
    about: Omit<FileHeader, "kind" | "salt">,
  ): Promise<LogFile> {
    const header = { ...about, kind: "log" as const, salt: randomBytes(8) };
    const temporary = path.join(folder, temporaryName(fileName("log", header.generation)));
    const file = await disk.replace(temporary);
    try {
      await file.write(encodeFileHeader(header), 0);
      await file.sync();
    } catch (error) {
      await file.close();
      await disk.remove(temporary);
      throw error;
    }
    return new LogFile(disk, folder, file, header, fileHeaderBytes);
  }

  /** Gives it its name, for good. */
  async place(): Promise<void> {
    const name = path.join(this.#folder, fileName("log", this.header.generation));
    await this.#disk.rename(temporaryName(name), name);
    await this.#disk.syncFolder(this.#folder);
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** One frame, in one write: whatever cuts it short, none of these commits is there. */
  async append(commits: readonly Buffer[]): Promise<void> {
    const frame = encodeFrame(frameKinds.commits, commits, this.header.salt, this.#size);
    await this.#file.write(frame, this.#size);
    this.#size += frame.length;
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * @returns where the log's last whole frame ends, bytes; what follows is what a write that was cut short left
 * @throws DataDirectoryError `corrupt` if more frames follow one that is damaged: no kill does that, nor a loss of power under `always`
 */
export async function findEndOfLog(file: DiskFile, name: string, header: FileHeader): Promise<number> {
  const end = await readFrames(file, header.salt, fileHeaderBytes, ({ kind, offset }) => {
    if (kind !== frameKinds.commits)
      throw new DataDirectoryError(
        "corrupt",
        `${name} has a record of unknown kind ${kind} at byte ${offset}.`,
      );
  });
  const next = await findFrame(file, header.salt, end + 1);
  if (next === null) return end;
  throw new DataDirectoryError(
    "corrupt",
    `${name} is damaged at byte ${end}: the record there is not as it was written, and more records follow, from byte ` +
      `${next}. Nothing was changed. Put back a copy of the folder; or, to give up what follows, cut the file to ${end} bytes. ` +
      "(A loss of power does this to commits that were not synced, under another policy than `always`.)",
  );
}
