import { constants } from "node:fs";
import path from "node:path";
import { mkdir, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";

/** An open file. Positions and lengths are bytes. */
export interface DiskFile {
  size(): Promise<number>;
  /** Fills `target` from `position` on. Returns how much was there: less than asked for only at the file's end. */
  read(target: Buffer, position: number): Promise<number>;
  /** Writes all of it. @throws if not all was written; some of it may be there then */
  write(bytes: Buffer, position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Resolves when the content, and as much of the metadata as reading it needs, survives a loss of power. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What the data directory asks of a file system, so that tests can stand in for a disk that is full, or that loses
 * power. A rename replaces its target atomically; it, a creation and a removal survive a loss of power only after
 * `syncFolder`. All of it may throw what `node:fs` throws.
 */
export interface Disk {
  /** Also the folders above it; what is made survives a loss of power. */
  makeFolder(folder: string): Promise<void>;
  /** The names of what is in the folder. */
  list(folder: string): Promise<string[]>;
  /** For reading and writing. @throws ENOENT */
  open(path: string): Promise<DiskFile>;
  /** An empty file in the place of what was there. */
  replace(path: string): Promise<DiskFile>;
  /** @throws EEXIST */
  create(path: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** Also if it is not there. */
  remove(path: string): Promise<void>;
  syncFolder(folder: string): Promise<void>;
}

export class NodeDisk implements Disk {
  async makeFolder(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    for (let made = path.resolve(folder); ; made = path.dirname(made)) {
      await this.syncFolder(path.dirname(made));
      if (made === path.resolve(first)) return;
    }
  }

  list(folder: string): Promise<string[]> {
    return readdir(folder);
  }

  async open(path: string): Promise<DiskFile> {
    return new NodeFile(await open(path, "r+"));
  }

  async replace(path: string): Promise<DiskFile> {
    return new NodeFile(await open(path, "w+"));
  }

  async create(path: string): Promise<DiskFile> {
    return new NodeFile(await open(path, "wx+"));
  }

  rename(from: string, to: string): Promise<void> {
    return rename(from, to);
  }

  remove(path: string): Promise<void> {
    return rm(path, { force: true });
  }

  async syncFolder(folder: string): Promise<void> {
    // Windows has no handle of a folder to sync; it orders these by its journal.
    if (process.platform === "win32") return;
    const handle = await open(folder, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(target: Buffer, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  truncate(size: number): Promise<void> {
    return this.#handle.truncate(size);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
