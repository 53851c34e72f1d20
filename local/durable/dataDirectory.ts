import { randomBytes } from "node:crypto";
import path from "node:path";
import { DataDirectoryError } from "./dataDirectoryError.js";
import { NodeDisk, type Disk, type DiskFile } from "./disk.js";
import { FolderLock } from "./folderLock.js";
import { planRecovery } from "./generations.js";
import { LogFile } from "./logFile.js";
import { LogWriter, type FsyncPolicy } from "./logWriter.js";
import { openFiles, type CheckedFiles } from "./openFiles.js";
import { recoverFiles, type Recovered } from "./recovery.js";
import { writeSnapshot } from "./snapshotFile.js";
import { encodeCommit, type StoredCommit } from "./storedCommit.js";

export type { FsyncPolicy, Recovered, StoredCommit };

export interface DataDirectoryOptions {
  /** Default: `interval`. */
  readonly fsync?: FsyncPolicy;
  /** How long a commit may wait for its sync under `interval`. Default: 100. */
  readonly syncIntervalMs?: number;
  /** A log is worth compacting beyond this, and beyond the snapshot's own size. Default: 8 MiB. */
  readonly compactAboveBytes?: number;
  /** Default: the file system, by `node:fs`. */
  readonly disk?: Disk;
}

/**
 * The commits of a database in a folder: a snapshot and a log, see `generations.ts`.
 *
 * A log's unit is what was written at once, so a commit is in it whole or not at all, and what is left of it after a
 * crash is a prefix of what was appended, with everything in it that `flushed` had reported.
 *
 * ```ts
 * const data = await DataDirectory.open("./data", { fsync: "always" });
 * const { lastTs } = await data.recover((commit) => restore(commit));
 * data.append({ ts: lastTs + 1n, tables: [], writes: [{ table: "notes", id: "n1", after: { text: "a" } }] });
 * await data.flushed();
 * await data.close();
 * ```
 */
export class DataDirectory {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #files: CheckedFiles;
  /** Open until `recover` has read them. */
  #unread: readonly DiskFile[];
  readonly #writer: LogWriter;
  readonly #compactAboveBytes: number;
  readonly #lineage: Buffer;
  readonly #closing = new AbortController();
  #state: "opened" | "recovering" | "running" | "closed" = "opened";
  #closed: Promise<void> | null = null;
  #compaction: Promise<void> | null = null;
  /** Of the log that is written to. */
  #generation: number;
  #lastTs = 0n;
  #snapshotBytes: number;
  /** Of logs before the one that is written to that no snapshot covers yet. */
  #finishedLogBytes: number;
  /** After a compaction that failed: when to try again. */
  #retryAboveBytes = 0;

  private constructor(
    { disk, folder, lock }: { disk: Disk; folder: string; lock: FolderLock },
    files: CheckedFiles,
    log: LogFile,
    options: DataDirectoryOptions,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#lock = lock;
    this.#files = files;
    this.#unread = [files.snapshot, ...files.logs.slice(0, -1)].flatMap((checked) => checked?.file ?? []);
    this.#writer = new LogWriter(log, options.fsync ?? "interval", options.syncIntervalMs ?? 100);
    this.#compactAboveBytes = options.compactAboveBytes ?? 8 * 1024 * 1024;
    this.#lineage = log.header.lineage;
    this.#generation = log.header.generation;
    this.#snapshotBytes = files.snapshot?.size ?? 0;
    this.#finishedLogBytes = files.logs.slice(0, -1).reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Opens the folder, or makes it, and checks all that is in it; cuts off what a crash left of a last write.
   *
   * @throws DataDirectoryError `locked` if another process, or this one, has it open; `corrupt` if something in it is
   * not as it was written, or missing, though no crash does that; `format` if another version wrote it. Nothing was
   * changed then.
   */
  static async open(folder: string, options: DataDirectoryOptions = {}): Promise<DataDirectory> {
    const disk = options.disk ?? new NodeDisk();
    await disk.makeFolder(folder);
    const lock = await FolderLock.acquire(disk, folder);
    const opened: DiskFile[] = [];
    try {
      const plan = planRecovery(await disk.list(folder));
      const files = await openFiles(disk, folder, plan, opened);
      const last = files.logs.at(-1);
      const log =
        last === undefined
          ? await createFirstLog(disk, folder)
          : new LogFile(disk, folder, last.file, last.header, last.size);
      for (const name of plan.leftovers) await disk.remove(path.join(folder, name));
      return new DataDirectory({ disk, folder, lock }, files, log, options);
    } catch (error) {
      await Promise.allSettled(opened.map((file) => file.close()));
      await lock.release();
      throw error;
    }
  }

  /**
   * Hands over all commits in order: first the snapshot, in commits of bounded size that all have its timestamp, then
   * those since. To be called once, before anything else. Holds a chunk of the files at a time.
   *
   * @throws DataDirectoryError `corrupt` or `format`, and what `apply` throws: close it then
   */
  async recover(apply: (commit: StoredCommit) => void): Promise<Recovered> {
    if (this.#state !== "opened")
      throw misuse("A data directory is recovered once, right after it was opened.");
    this.#state = "recovering";
    const recovered = await recoverFiles(this.#files, apply);
    this.#lastTs = recovered.lastTs;
    await this.#closeUnread();
    this.#state = "running";
    return recovered;
  }

  /**
   * Queues a commit to be written behind those before it. What it holds may change afterwards. Nothing bounds the
   * queue but the caller, who waits for {@link flushed}.
   *
   * @throws DataDirectoryError `writeFailed` once a write failed; `misuse` if its `ts` is below that of the one before,
   * or it is larger than a record may be (512 MiB)
   */
  append(commit: StoredCommit): void {
    this.#demandRunning();
    this.#demandNotBelow(commit.ts, "A commit");
    this.#writer.append(encodeCommit(commit));
    this.#lastTs = commit.ts;
  }

  /**
   * Resolves when all that was appended so far is as durable as the policy says.
   *
   * @throws DataDirectoryError `writeFailed` once a write failed, from then on always
   */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  /** Whether the log has outgrown what it is worth: recovery reads it all. */
  get shouldCompact(): boolean {
    if (this.#state !== "running" || this.#compaction !== null || this.#writer.failure !== null) return false;
    return this.#logBytes > Math.max(this.#compactAboveBytes, this.#snapshotBytes, this.#retryAboveBytes);
  }

  /**
   * Puts a snapshot in the place of what was appended up to this call. What is appended later, also while this runs,
   * comes after it. If this throws, nothing is lost: the log goes on, and a later call tries again.
   *
   * @param ts - of the newest commit that was appended, or later
   * @param state - commits that together are the state at `ts`, whatever is committed while they are iterated; their
   * own timestamps do not matter. It is iterated in chunks, in several turns of the event loop
   * @throws DataDirectoryError `misuse` for a lower `ts`, while another compaction runs, or if it was closed meanwhile;
   * `writeFailed` once the log could not be written; and what the disk throws
   */
  async compact(ts: bigint, state: Iterable<StoredCommit>): Promise<void> {
    this.#demandRunning();
    if (this.#compaction !== null) throw misuse("The data directory is being compacted already.");
    this.#demandNotBelow(ts, "A snapshot");
    this.#lastTs = ts;
    const work = this.#compact(ts, state);
    this.#compaction = work.catch(() => {});
    try {
      await work;
    } finally {
      this.#compaction = null;
    }
  }

  /**
   * Writes what was appended, and syncs it unless the policy is `never`; gives up a compaction that runs. Frees the
   * folder in any case. @throws DataDirectoryError `writeFailed` if something that was appended is not written
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#state = "closed";
    this.#closing.abort(misuse("The data directory was closed while it was compacted."));
    await this.#compaction;
    try {
      await this.#closeUnread();
      await this.#writer.close();
    } finally {
      await this.#lock.release();
    }
  }

  /** The steps, and what a crash at each of them leaves: `generations.ts`. */
  async #compact(ts: bigint, state: Iterable<StoredCommit>): Promise<void> {
    const about = { generation: this.#generation + 1, ts, lineage: this.#lineage };
    try {
      const old = await this.#writer.rotate(({ size }) =>
        LogFile.create(this.#disk, this.#folder, { ...about, previousBytes: size }),
      );
      this.#generation = about.generation;
      this.#finishedLogBytes += old.size;
      this.#snapshotBytes = await writeSnapshot(this.#disk, this.#folder, about, state, this.#closing.signal);
    } catch (error) {
      this.#retryAboveBytes = this.#logBytes + this.#compactAboveBytes;
      throw error;
    }
    this.#finishedLogBytes = 0;
    this.#retryAboveBytes = 0;
    await this.#removeLeftovers();
  }

  /** What cannot be removed takes up room and does nothing else: the next compaction or opening tries again. */
  async #removeLeftovers(): Promise<void> {
    try {
      const { leftovers } = planRecovery(await this.#disk.list(this.#folder));
      for (const name of leftovers) await this.#disk.remove(path.join(this.#folder, name));
    } catch {
      return;
    }
  }

  async #closeUnread(): Promise<void> {
    const files = this.#unread;
    this.#unread = [];
    for (const file of files) await file.close();
  }

  get #logBytes(): number {
    return this.#finishedLogBytes + this.#writer.size;
  }

  #demandRunning(): void {
    if (this.#state === "closed") throw misuse("The data directory is closed.");
    if (this.#state !== "running") throw misuse("The data directory was not recovered: call recover first.");
  }

  #demandNotBelow(ts: bigint, what: string): void {
    if (ts < this.#lastTs)
      throw misuse(`${what} of ${ts} is older than the commit before, of ${this.#lastTs}.`);
  }
}

function misuse(message: string): DataDirectoryError {
  return new DataDirectoryError("misuse", message);
}

async function createFirstLog(disk: Disk, folder: string): Promise<LogFile> {
  const about = { generation: 0, ts: 0n, previousBytes: 0, lineage: randomBytes(8) };
  const log = await LogFile.create(disk, folder, about);
  await log.place();
  return log;
}
