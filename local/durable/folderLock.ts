// Who holds a folder has a file in it that is named after the process: `lock.<pid>.<start>.<random>`. An opener first
// creates its own, then looks for others: of two at once, whichever looks last sees the other, so never do both hold
// it (at worst neither does). Nobody removes the file of a process that runs, so a takeover cannot hit a new holder.
//
// `start` is when the process started, as far as the system tells (Linux): a pid that was given to another process
// since, as is usual where a container is started again, does not pass for the holder.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { DataDirectoryError } from "./dataDirectoryError.js";
import type { Disk } from "./disk.js";

export class FolderLock {
  readonly #disk: Disk;
  readonly #path: string;

  private constructor(disk: Disk, file: string) {
    this.#disk = disk;
    this.#path = file;
  }

  /** @throws DataDirectoryError `locked` if a process that runs, this one too, holds it */
  static async acquire(disk: Disk, folder: string): Promise<FolderLock> {
    const name = `lock.${process.pid}.${startOf(process.pid) ?? "0"}.${randomBytes(4).toString("hex")}`;
    const lock = new FolderLock(disk, path.join(folder, name));
    await (await disk.create(lock.#path)).close();
    try {
      for (const other of await disk.list(folder)) {
        const [, pid, start] = /^lock\.(\d+)\.(\d+)\.[0-9a-f]+$/.exec(other) ?? [];
        if (pid === undefined || start === undefined || other === name) continue;
        if (isRunning(Number(pid), start))
          throw new DataDirectoryError(
            "locked",
            `The data directory ${folder} is in use by the process ${pid}: stop it, or use another folder. ` +
              `(If that process is something else, remove the file ${other}.)`,
          );
        await disk.remove(path.join(folder, other));
      }
    } catch (error) {
      await lock.release();
      throw error;
    }
    return lock;
  }

  release(): Promise<void> {
    return this.#disk.remove(this.#path);
  }
}

function isRunning(pid: number, start: string): boolean {
  const current = startOf(pid);
  if (current !== null && start !== "0") return current === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** In ticks since the system started. Null: not told, or no such process; "ended" if only its exit code is left. */
function startOf(pid: number): string | null {
  try {
    // "pid (name) state ppid …": the name may hold anything, and the start is the 22nd.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "ended" : (fields[19] ?? null);
  } catch {
    return null;
  }
}
