import { Loop } from "./base/loop.js";
import { emptyPublication } from "./base/publication.js";
import { chooseForgotten, type KeptScope } from "./core/retention.js";
import { isStaged, turningCollections } from "./epochs.js";
import type { Clock } from "./ports/clock.js";
import { keyOf } from "./core/keys.js";
import type { Decision, Journal } from "./store/journal.js";
import type { ScopeReaders } from "./scopeReaders.js";

export interface KeeperOptions {
  readonly journal: Journal;
  readonly readers: ScopeReaders;
  readonly clock: Clock;
  change(decide: () => Decision | null): Promise<void>;
  onError(error: unknown): void;
}

/** The app has said by then what it wants. */
export const firstLookMs = 10 * 60_000;
export const lookMs = 3_600_000;

/** Looks now and then at what is on the device and wanted by no tab, and lets go of what was kept long enough. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #loop: Loop;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, () => this.#look());
    this.#loop.wake(firstLookMs);
  }

  stop(): void {
    this.#loop.stop();
  }

  async #look(): Promise<number> {
    const { journal, readers, clock, change, onError } = this.#options;
    try {
      await journal.refresh(); // what tabs have just written counts as pending
      const now = clock.now();
      const kept = this.#kept();
      for (const each of chooseForgotten(kept, now)) await readers.forget(each);
      await change(() => this.#decideMarks(now));
    } catch (error) {
      onError(error);
    }
    return lookMs;
  }

  #kept(): KeptScope[] {
    const { journal, readers } = this.#options;
    const turning = new Set(turningCollections(journal));
    const pending = new Set(
      journal
        .outbox()
        .flatMap(({ transaction }) => transaction.changes.map(({ collection, id }) => keyOf(collection, id))),
    );
    return journal
      .scopes()
      .filter(
        (each) => !isStaged(each.collection) && !turning.has(each.collection) && !readers.isWanted(each),
      )
      .map(({ collection, scope, unwantedSince }) => {
        const documents = journal.documentsIn(collection, scope);
        const sizes = documents.flatMap(({ id, base }) => [
          base.length,
          ...journal.partsOf(collection, id).map((part) => part.bytes),
        ]);
        const bytes = sizes.reduce((sum, each) => sum + each, 0);
        const hasPending = documents.some(({ id }) => pending.has(keyOf(collection, id)));
        return { collection, scope, unwantedSince, bytes, hasPending };
      });
  }

  /** Notes since when each is not wanted. */
  #decideMarks(now: number): Decision | null {
    const { journal } = this.#options;
    const unmarked = this.#kept().filter(({ unwantedSince }) => unwantedSince === undefined);
    const scopes = unmarked.flatMap(({ collection, scope }) => {
      const stored = journal.scope(collection, scope);
      return stored === undefined ? [] : [{ ...stored, unwantedSince: now }];
    });
    return scopes.length === 0 ? null : { commit: { scopes }, publication: emptyPublication };
  }
}
