import { limits } from "../shared/limits.js";
import type { TransactionStatus } from "../shared/wire.js";
import { Loop } from "./base/loop.js";
import { joinPublications, type Publication } from "./base/publication.js";
import { backoffMs } from "./core/backoff.js";
import { decideTurned, groupsIn, turningCollections } from "./epochs.js";
import type { Clock, Randomness } from "./ports/clock.js";
import type { Transport } from "./ports/transport.js";
import type { ScopeReaders } from "./scopeReaders.js";
import type { Decision, Journal } from "./store/journal.js";

export interface EpochTurnsOptions {
  readonly journal: Journal;
  readonly readers: ScopeReaders;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  change(decide: () => Decision | null): Promise<void>;
  onError(error: unknown): void;
}

/**
 * Ends the turn of a collection to a new epoch: once all of it is read, and the server has said what it knows of what
 * this device ever sent, the new rows take the place of the old.
 *
 *     read in the old epoch ─ told another ─→ turning: read beside the old rows, nothing is pushed
 *     turning ─ all scopes read, every transaction's status known ─→ read in the new epoch
 *     turning ─ told yet another ─→ turning, from the start
 */
export class EpochTurns {
  readonly #options: EpochTurnsOptions;
  readonly #loop: Loop;
  #failures = 0;

  constructor(options: EpochTurnsOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, () => this.#step());
  }

  /** Something may be ready. */
  wake(): void {
    if (this.#ready().length > 0) this.#loop.wake();
  }

  stop(): void {
    this.#loop.stop();
  }

  #ready(): string[] {
    const { journal, readers } = this.#options;
    return turningCollections(journal).filter((collection) => readers.isTurnRead(collection));
  }

  async #step(): Promise<number | null> {
    const { onError, randomness, transport } = this.#options;
    if (!transport.isConnected) return null;
    try {
      for (const collection of this.#ready()) await this.#turn(collection);
    } catch (error) {
      onError(error);
      return backoffMs(++this.#failures, randomness.fraction());
    }
    this.#failures = 0;
    return this.#ready().length > 0 ? 0 : null;
  }

  async #turn(collection: string): Promise<void> {
    const { journal, readers, randomness, change } = this.#options;
    const statuses = await this.#askStatuses(collection);
    await change(() => {
      if (!readers.isTurnRead(collection)) return null;
      const turned = decideTurned(journal, collection, statuses, () => randomness.author());
      if (turned === null) return null;
      const tell = (publication: Publication) => joinPublications(readers.takeHeld(collection), publication);
      return { ...turned, tell };
    });
    readers.refresh();
  }

  async #askStatuses(collection: string): Promise<Map<string, TransactionStatus>> {
    const { journal, transport } = this.#options;
    const ids = groupsIn(journal, collection).flatMap(({ transactions }) => transactions.slice(0, 1));
    const statuses = new Map<string, TransactionStatus>();
    for (let at = 0; at < ids.length; at += limits.statusTransactions) {
      const transactions = ids.slice(at, at + limits.statusTransactions);
      for (const each of await transport.status({ client: journal.client, transactions }))
        statuses.set(each.id, each);
    }
    return statuses;
  }
}
