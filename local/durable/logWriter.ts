import { DataDirectoryError } from "./dataDirectoryError.js";
import type { LogFile } from "./logFile.js";

/**
 * When a commit counts as written.
 * - `always`: once it is synced to the disk; it survives a loss of power.
 * - `interval`: once the system has it; it survives the end of this process, and a loss of power some time later.
 * - `never`: likewise, and it is the system that decides when it goes to the disk.
 */
export type FsyncPolicy = "always" | "interval" | "never";

interface Waiter {
  /** How many commits have to be written. */
  readonly upTo: number;
  resolve(): void;
  reject(error: Error): void;
}

interface Rotation {
  /** How many commits go into the old log. */
  readonly after: number;
  prepare(old: LogFile): Promise<LogFile>;
  resolve(old: LogFile): void;
  reject(error: unknown): void;
}

/** Of commits in one write, unless a single one is larger: what reading holds at once. */
const maxBatchBytes = 4 * 1024 * 1024;

/**
 * Writes commits to the log, one write at a time:
 *
 *   idle ── append, rotate ──> writing ── all is written ──> idle
 *                                 └── the disk refuses ──> failed, for good
 *
 * After a failed write or sync nobody knows what the file holds (a sync that is repeated succeeds without having
 * written anything), so nothing is written behind it: only opening the folder again, which reads it, ends that.
 */
export class LogWriter {
  readonly #policy: FsyncPolicy;
  readonly #syncIntervalMs: number;
  #log: LogFile;
  #pending: Buffer[] = [];
  #appended = 0;
  #written = 0;
  #waiters: Waiter[] = [];
  #rotation: Rotation | null = null;
  /** Of the loop; it never rejects. */
  #writing: Promise<void> | null = null;
  /** Of a sync in the background; it never rejects. */
  #syncing: Promise<void> | null = null;
  #syncTimer: NodeJS.Timeout | null = null;
  #failure: DataDirectoryError | null = null;

  constructor(log: LogFile, policy: FsyncPolicy, syncIntervalMs: number) {
    this.#log = log;
    this.#policy = policy;
    this.#syncIntervalMs = syncIntervalMs;
  }

  get failure(): DataDirectoryError | null {
    return this.#failure;
  }

  /** Of the log that is written to: what is in it, bytes. */
  get size(): number {
    return this.#log.size;
  }

  /** @throws DataDirectoryError `writeFailed` once a write failed */
  append(commit: Buffer): void {
    if (this.#failure !== null) throw this.#failure;
    this.#pending.push(commit);
    this.#appended += 1;
    this.#start();
  }

  /** Resolves when all that was appended is written. @throws DataDirectoryError `writeFailed` once a write failed */
  async flushed(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#written === this.#appended) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ upTo: this.#appended, resolve, reject });
    });
  }

  /**
   * What is appended after this call goes into another log; what was appended before is synced first. The old log
   * stays in use if `prepare` throws, which is thrown on.
   *
   * @param prepare - makes the new log, under a temporary name
   * @returns the old log, closed
   */
  rotate(prepare: (old: LogFile) => Promise<LogFile>): Promise<LogFile> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#rotation = { after: this.#appended, prepare, resolve, reject };
      this.#start();
    });
  }

  /** Writes what is appended, syncs it unless the policy is `never`, closes the log. @throws as `flushed` does */
  async close(): Promise<void> {
    await this.#writing;
    this.#stopTimer();
    await this.#syncing;
    try {
      if (this.#failure === null && this.#policy !== "never") await this.#log.sync();
    } catch (error) {
      this.#fail(error);
    }
    await this.#log.close();
    if (this.#failure !== null) throw this.#failure;
  }

  #start(): void {
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    try {
      // Let what is appended in the same turn go out together.
      await Promise.resolve();
      while (this.#failure === null && (this.#written < this.#appended || this.#rotation !== null)) {
        if (this.#rotation?.after === this.#written) await this.#rotate(this.#rotation);
        else await this.#writeBatch();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      // In the same turn as the last look at what is pending: an append right after it starts anew.
      this.#writing = null;
    }
  }

  async #writeBatch(): Promise<void> {
    const limit = (this.#rotation?.after ?? this.#appended) - this.#written;
    let bytes = 0;
    let count = 0;
    do bytes += this.#pending[count++]?.length ?? 0;
    while (count < limit && bytes + (this.#pending[count]?.length ?? 0) <= maxBatchBytes);
    await this.#log.append(this.#pending.splice(0, count));
    if (this.#policy === "always") await this.#log.sync();
    else if (this.#policy === "interval") this.#syncLater();
    this.#written += count;
    const isDone = this.#waiters.findIndex(({ upTo }) => upTo > this.#written);
    for (const { resolve } of this.#waiters.splice(0, isDone < 0 ? this.#waiters.length : isDone)) resolve();
  }

  async #rotate({ prepare, resolve, reject }: Rotation): Promise<void> {
    this.#stopTimer();
    await this.#syncing;
    const old = this.#log;
    await old.sync();
    let log: LogFile;
    try {
      log = await prepare(old);
    } catch (error) {
      this.#rotation = null;
      reject(error);
      return;
    }
    // From here on it may be there after a crash: the old log cannot be written to any more.
    try {
      await log.place();
    } catch (error) {
      await log.close();
      throw error;
    }
    await old.close();
    this.#log = log;
    this.#rotation = null;
    resolve(old);
  }

  #syncLater(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = null;
      this.#syncing = (this.#syncing ?? Promise.resolve())
        .then(() => this.#log.sync())
        .catch((error: unknown) => this.#fail(error));
    }, this.#syncIntervalMs).unref();
  }

  #stopTimer(): void {
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    this.#syncTimer = null;
  }

  #fail(cause: unknown): void {
    this.#failure ??= new DataDirectoryError(
      "writeFailed",
      `The data directory could not be written to (${cause instanceof Error ? cause.message : String(cause)}). Nothing ` +
        "more is accepted; what was durable is. Make room or repair the disk, then start again.",
      cause,
    );
    this.#pending = [];
    for (const { reject } of this.#waiters.splice(0)) reject(this.#failure);
    this.#rotation?.reject(this.#failure);
    this.#rotation = null;
  }
}
