import { ReplicaError } from "../../client/base/errors.js";
import type { Storage, Stored, StoredTransaction } from "../../client/ports/storage.js";
import { MemoryDatabase, MemoryStorage } from "../../client/store/memoryStorage.js";
import type { SeededRandom } from "../random.js";
import { never, type Life } from "./life.js";
import type { Timeline } from "./timeline.js";

export type StorageMethod = keyof Storage;
const usualLatencyMs = 8;
type Method = (...args: unknown[]) => Promise<unknown>;
/** What of the device the operation that fails finds: no room, or no disk. */
export type StorageFault = "storage_full" | "storage_unavailable";

/**
 * A device's disk: the real storage, behind time. Each operation is one transaction that takes effect whole at one
 * instant, later than it was asked for and earlier than it is answered. A tab that dies before that instant has never
 * asked; one that dies after it leaves behind what it asked for.
 */
export class Disk {
  readonly #database = new MemoryDatabase();
  readonly #timeline: Timeline;
  readonly #random: SeededRandom;
  readonly #onApplied: (stored: Stored, method: StorageMethod) => void;
  #fault: { readonly method: StorageMethod; readonly code: StorageFault; left: number } | null = null;
  /** How long an operation takes at most, until it takes effect, and again until it is answered. */
  latencyMs = usualLatencyMs;
  /** Ids of the transactions that were handed over to be appended. */
  readonly asked = new Set<string>();

  /** @param onApplied is called in the very instant in which an operation took effect, with what is stored now */
  constructor(
    timeline: Timeline,
    random: SeededRandom,
    onApplied: (stored: Stored, method: StorageMethod) => void,
  ) {
    this.#timeline = timeline;
    this.#random = random;
    this.#onApplied = onApplied;
  }

  /** The next `times` operations of this kind fail. */
  fail(method: StorageMethod, code: StorageFault, times: number): void {
    this.#fault = times === 0 ? null : { method, code, left: times };
  }

  repair(): void {
    this.#fault = null;
    this.latencyMs = usualLatencyMs;
  }

  /** The database as one tab has it open. */
  open(life: Life): Storage {
    const storage = new MemoryStorage(this.#database);
    let last = 0; // operations of a tab are done in the order in which it asks for them
    const operate = (name: StorageMethod, args: unknown[]) => {
      if (!life.passes()) return never;
      if (name === "append") for (const { id } of args[0] as StoredTransaction[]) this.asked.add(id);
      last = Math.max(last, this.#timeline.now() + this.#delay());
      return new Promise((resolve, reject) => {
        this.#timeline.after(last - this.#timeline.now(), () => {
          if (!life.passes()) return;
          const done = this.#timeline.during(() => this.#apply(storage, name, args));
          const answer = (give: () => void) => {
            last = Math.max(last, this.#timeline.now() + this.#delay());
            this.#timeline.after(last - this.#timeline.now(), () => life.deliver(give));
          };
          done.then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error as Error)),
          );
        });
      });
    };
    return new Proxy(storage as Storage, {
      get: (_, name: StorageMethod) =>
        typeof storage[name] === "function" ? (...args: unknown[]) => operate(name, args) : undefined,
    });
  }

  async #apply(storage: MemoryStorage, name: StorageMethod, args: unknown[]): Promise<unknown> {
    if (this.#fault?.method === name) {
      const { code } = this.#fault;
      if (--this.#fault.left <= 0) this.#fault = null;
      throw new ReplicaError(code, "The disk of this device is not as it should be.");
    }
    const result = await (storage[name] as Method).apply(storage, args);
    if (this.#database.data !== null)
      this.#onApplied(await new MemoryStorage(this.#database).open({ client: "nobody", author: 1 }), name);
    return result;
  }

  #delay(): number {
    return this.#random.below(this.latencyMs);
  }
}
