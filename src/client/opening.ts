import { toReplicaError, type ReplicaError } from "./base/errors.js";
import type { ScopeReport } from "./base/tabMessages.js";
import type { Damage, Identity, Storage, StorageWatcher, Stored, StoredDocument } from "./ports/storage.js";
import { damagedScopes } from "./repair.js";
import type { Subscriptions } from "./subscriptions.js";
import type { View } from "./view/view.js";

export interface OpeningOptions {
  readonly storage: Storage;
  readonly fresh: Identity;
  readonly view: View;
  readonly subscriptions: Subscriptions;
  /** Everything is read. */
  onRead(): void;
  onError(error: ReplicaError): void;
  /** The database is closed to this tab from now on. */
  onLost(error: ReplicaError): void;
}

/**
 * Opens the database for a tab: shows at once what comes first, and the rest as it is read. In between:
 *
 * - What the leader tells of is newer than what is still to be read, which does not replace it.
 * - A pending write on a document that is not read yet shows nothing until it is; an update of one is refused, for
 *   nobody can have seen what it changes; an insert of an id that turns out to be there is shown over it and ends as
 *   any insert of an id that somebody else has used: the leader, which has read everything, refuses it as `exists`.
 * - No subscription is loaded.
 *
 * Should this tab take over meanwhile, what it took over replaces what is still to come.
 */
export class Opening implements StorageWatcher {
  /** Rejects if the database cannot be opened. */
  readonly first: Promise<Stored>;
  readonly #options: OpeningOptions;
  #isOpening = true;

  constructor(options: OpeningOptions) {
    this.#options = options;
    this.first = options.storage.open(options.fresh, this);
  }

  /** Whether there may be documents that are not shown yet. */
  get isOpening(): boolean {
    return this.#isOpening;
  }

  onDocuments(documents: readonly StoredDocument[]): void {
    void this.first.then(() => this.#options.view.fill(documents));
  }

  onRead(damage: readonly Damage[]): void {
    void this.first.then(({ scopes }) => {
      if (!this.#options.view.endFilling()) return;
      const reports = reportsOf({ scopes, damage }).filter(({ isComplete }) => !isComplete);
      this.#options.subscriptions.report(reports);
      this.end();
    });
  }

  onUnreadable(reason: Parameters<StorageWatcher["onUnreadable"]>[0]): void {
    this.#options.onError(toReplicaError(reason));
  }

  onLost(reason: Parameters<StorageWatcher["onLost"]>[0]): void {
    this.#options.onLost(toReplicaError(reason));
  }

  /** All that the database holds is shown. */
  end(): void {
    if (!this.#isOpening) return;
    this.#isOpening = false;
    this.#options.subscriptions.noteRead();
    this.#options.onRead();
  }
}

/** How far the database says that scopes were read. Where documents are missing none is complete. */
export function reportsOf(stored: Pick<Stored, "scopes" | "damage">): ScopeReport[] {
  const damaged = damagedScopes(stored);
  return stored.scopes.map(({ collection, scope, isComplete }) => ({
    collection,
    scope,
    isComplete: isComplete && !damaged.some((each) => each.collection === collection && each.scope === scope),
    state: "idle",
    progress: 0,
  }));
}
