import type { ScopeCursor } from "../shared/sessionWire.js";
import type { Page } from "../shared/wire.js";
import { limits } from "../shared/limits.js";
import { joinPublications, type Publication } from "./base/publication.js";
import type { DocumentName, ScopeReport, Want } from "./base/tabMessages.js";
import { PriorityQueue, priorities } from "./core/priorityQueue.js";
import { decideReread, decideTurn, epochOf, stagedName, turningCollections } from "./epochs.js";
import { HeldPages } from "./heldPages.js";
import { decidePage, forgetDocuments, type PageContext } from "./pages.js";
import type { Clock, Randomness } from "./ports/clock.js";
import type { StoredScope } from "./ports/storage.js";
import type { Transport } from "./ports/transport.js";
import { keyOf } from "./core/keys.js";
import type { Decision, Journal } from "./store/journal.js";
import { ScopeReader } from "./stream/scopeReader.js";
import { remadeDocuments } from "./unread.js";

export interface ScopeReadersOptions {
  readonly context: PageContext;
  readonly journal: Journal;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Decides and stores as the leader; null is decided once it is not the leader any more. */
  change(decide: () => Decision | null): Promise<void>;
  /** The server has answered, and what it sent is stored. */
  onRead(): void;
  onChange(): void;
  onError(error: unknown): void;
}

function keyOfScope({ collection, scope }: Want): string {
  return keyOf(collection, scope);
}

interface Reading {
  readonly want: Want;
  /** Under which name its pages are stored: the collection's own, or that of its next epoch. */
  readonly target: string;
  /** What it reads, and where to; once that is another, a reader of its own takes over. */
  readonly plan: string;
  readonly reader: ScopeReader;
}

/**
 * The readers of all scopes that are wanted, and of those that have to be read besides: a collection that turns to a new
 * epoch reads all that the device holds of it. A reader occupies one of `limits.scopesReadAtOnce` places from its start
 * until it is up to date, whoever is most urgent first.
 */
export class ScopeReaders {
  readonly #options: ScopeReadersOptions;
  readonly #readings = new Map<string, Reading>();
  readonly #held = new HeldPages();
  #wants = new Map<string, Want>();
  /** Stored scopes that nobody wants, read to learn which epoch the server is in. */
  #asked = new Map<string, Want>();
  /**
   * Stored scopes that are read to their end, once, wanted or not: the server holds what a push has to stand on, or a part of
   * a catch-up is stored.
   */
  readonly #behind = new Map<string, Want>();
  /** Scopes whose removal is being stored. */
  readonly #forgotten = new Set<Want>();
  #visible: ReadonlySet<string> = new Set();
  #isStopped = false;
  #isStarting = false;

  constructor(options: ScopeReadersOptions) {
    this.#options = options;
  }

  /** Reads these scopes from now on. What is no longer wanted stays on the device. */
  setWants(wants: readonly Want[]): void {
    this.#wants = new Map(wants.map((want) => [keyOf(want.collection, want.scope), want]));
    this.refresh();
  }

  /** @param keys - of scopes (see `keyOf`) that hold what is on screen */
  setVisible(keys: ReadonlySet<string>): void {
    this.#visible = keys;
  }

  get reports(): ScopeReport[] {
    return [...this.#wants].flatMap(([key, { collection, scope }]) => {
      const reading = this.#readings.get(key);
      if (reading === undefined) return [];
      const { state, progress, isComplete } = reading.reader;
      const isHere = this.#options.journal.scope(collection, scope)?.isComplete === true;
      const isTurning = reading.target !== collection && isHere;
      if (!isTurning) return [{ collection, scope, state, progress, isComplete }];
      const shown = state === "bootstrapping" || state === "live" ? "catchingUp" : state;
      return [{ collection, scope, state: shown, progress: 0, isComplete: isHere }];
    });
  }

  isWanted({ collection, scope }: Want): boolean {
    return this.#wants.has(keyOf(collection, scope));
  }

  /** How far those that are wanted are stored. */
  get cursors(): ScopeCursor[] {
    const { journal } = this.#options;
    return [...this.#wants.values()].flatMap(({ collection, scope }) => {
      const position = journal.scope(collection, scope);
      return position === undefined ? [] : [{ collection, scope, ts: position.cursor.ts }];
    });
  }

  /** Whether pushing need not wait for any of them. */
  get isSettled(): boolean {
    const { journal } = this.#options;
    // What is written on a document that is missing is not authored before it is there again.
    const repaired = new Set(journal.scopes().flatMap((each) => (each.isRepair ? [keyOfScope(each)] : [])));
    const isRead = [...this.#wants.keys(), ...repaired, ...this.#behind.keys()].every((key) => {
      const reader = this.#readings.get(key)?.reader;
      return reader?.isSettled === true && !(reader.state === "error" && repaired.has(key));
    });
    return isRead && turningCollections(journal).length === 0;
  }

  /** Whether a stream brings what is written to a scope. */
  isRead({ collection, scope }: Want): boolean {
    const reading = this.#readings.get(keyOf(collection, scope));
    return reading !== undefined && reading.reader.state !== "denied";
  }

  /** Whether a stream of the collection is read. */
  isCollectionRead(collection: string): boolean {
    return [...this.#readings.values()].some(({ want }) => want.collection === collection);
  }

  /** Whether all that has to be read of a collection in its next epoch is there. */
  isTurnRead(collection: string): boolean {
    const readings = [...this.#readings.values()].filter(({ want }) => want.collection === collection);
    return readings.every(
      ({ reader, target }) => target !== collection && ["live", "denied"].includes(reader.state),
    );
  }

  /** What of a collection is stored and not shown. The caller shows it. */
  takeHeld(collection: string): Publication {
    return this.#held.takeOf(collection);
  }

  /** Something is stored and to be told. @returns what of it is shown now: some of it may wait for a page that is held */
  pass(publication: Publication): Publication {
    return this.#held.pass(publication);
  }

  /** The server is in another epoch in some collection: reads something of each that nobody reads. A denial tells none. */
  askEpochs(): void {
    const told = [...this.#readings.values()].filter(({ reader }) => reader.state !== "denied");
    const read = new Set(told.map(({ want }) => want.collection));
    for (const { collection, scope } of this.#options.journal.scopes())
      if (!read.has(collection)) this.#asked.set(keyOf(collection, scope), { collection, scope });
    this.refresh();
  }

  /** Reads to its end, if nobody wants it, what holds these documents on the device. */
  catchUp(documents: readonly DocumentName[]): void {
    for (const { collection, id } of documents) {
      const scope = this.#options.journal.document(collection, id)?.scope;
      if (scope !== undefined && !this.isWanted({ collection, scope }))
        this.#behind.set(keyOf(collection, scope), { collection, scope });
    }
    if (this.#behind.size > 0) this.refresh();
  }

  /** The server and the device agree in the epoch of every collection. */
  stopAsking(): void {
    if (this.#asked.size === 0) return;
    this.#asked.clear();
    this.refresh();
  }

  /** Removes the documents of a scope from the device, and where its reading had come to, unless it is wanted again. */
  forget(want: Want): Promise<void> {
    return this.#forget(want, null);
  }

  /**
   * Nobody reads the scope while it is being forgotten: it would be gone on from a position that is about to go.
   *
   * @param by whose reading has come to its end: a denial is the last word, wanted or not
   */
  async #forget({ collection, scope }: Want, by: Reading | null): Promise<void> {
    const want = { collection, scope };
    try {
      await this.#options.change(() => {
        if (by === null && this.isWanted(want)) return null;
        this.#forgotten.add(want);
        this.#behind.delete(keyOfScope(want));
        const reading = this.#readings.get(keyOfScope(want));
        if (reading !== undefined && reading !== by) this.#stopReading(reading);
        return this.#decideForget(want);
      });
    } finally {
      this.#forgotten.delete(want);
      this.refresh();
    }
  }

  #stopReading({ want, reader }: Reading): void {
    reader.stop();
    this.#readings.delete(keyOfScope(want));
  }

  #decideForget({ collection, scope }: Want): Decision {
    const { context, journal } = this.#options;
    const removal = forgetDocuments(context, journal.documentsIn(collection, scope));
    const staged = journal.documentsIn(stagedName(collection), scope);
    const removedDocuments = [...(removal.commit.removedDocuments ?? []), ...staged];
    return {
      commit: {
        ...removal.commit,
        removedDocuments: removedDocuments.map((each) => ({ collection: each.collection, id: each.id })),
        removedScopes: [collection, stagedName(collection)].map((each) => ({ collection: each, scope })),
      },
      publication: removal.publication,
      tell: (publication) => joinPublications(this.#held.take(keyOf(collection, scope)), publication),
    };
  }

  onDisconnected(): void {
    for (const { reader } of this.#readings.values()) reader.onDisconnected();
  }

  stop(): void {
    this.#isStopped = true;
    for (const { reader } of this.#readings.values()) reader.stop();
  }

  /** What is wanted or stored has changed: some may have to be read elsewhere, others not any more. */
  refresh(): void {
    if (this.#isStopped) return;
    const { journal } = this.#options;
    const turning = new Set(turningCollections(journal));
    for (const [key, { want, reader }] of this.#readings) if (reader.isInParts) this.#behind.set(key, want);
    const needed = new Map([...this.#asked, ...this.#behind, ...this.#wants]);
    for (const { collection, scope, isRepair } of journal.scopes())
      if (turning.has(collection) || isRepair) needed.set(keyOf(collection, scope), { collection, scope });
    for (const [key, reading] of this.#readings) {
      if (needed.has(key) && reading.plan === this.#planOf(reading.want, turning)) continue;
      this.#stopReading(reading);
      if (!needed.has(key)) this.#showHeld(key);
    }
    const forgotten = new Set([...this.#forgotten].map(keyOfScope));
    for (const [key, want] of needed)
      if (!this.#readings.has(key) && !forgotten.has(key))
        this.#readings.set(key, this.#createReading(want, turning));
    this.#startNext();
    this.#options.onChange();
  }

  /** Starts as many as there are places for. */
  #startNext(): void {
    if (this.#isStarting) return;
    const readings = [...this.#readings];
    const reading = readings.filter(([, { reader }]) => reader.state !== "idle" && !reader.isSettled);
    let free = limits.scopesReadAtOnce - reading.length;
    if (free <= 0) return;
    const queue = new PriorityQueue<ScopeReader>();
    for (const [key, { reader }] of readings)
      if (reader.state === "idle")
        queue.push(reader, this.#visible.has(key) ? priorities.visible : priorities.rest);
    this.#isStarting = true; // each start is a change, of which this hears
    for (; free > 0; free--) queue.pop()?.start();
    this.#isStarting = false;
  }

  #planOf({ collection }: Want, turning: ReadonlySet<string>): string {
    if (!turning.has(collection)) return collection;
    const staged = stagedName(collection);
    return `${staged} ${epochOf(this.#options.journal, staged)}`;
  }

  #createReading(want: Want, turning: ReadonlySet<string>): Reading {
    const { journal, transport, clock, randomness, onError, onRead } = this.#options;
    const { collection, scope } = want;
    const target = turning.has(collection) ? stagedName(collection) : collection;
    const reader: ScopeReader = new ScopeReader({
      collection,
      scope,
      transport,
      clock,
      randomness,
      stored: journal.scope(target, scope),
      storePage: (page, reached, isFirstLoad) => this.#storePage(reading, page, reached, isFirstLoad),
      forget: () => this.#forget(want, reading),
      beginAnew: (epoch) => this.#beginAnew(reading, epoch),
      onRead,
      onChange: () => this.#onReaderChange(),
      onIdle: () => this.#showReady(),
      onError,
    });
    const reading: Reading = { want, target, plan: this.#planOf(want, turning), reader };
    return reading;
  }

  #onReaderChange(): void {
    if (this.#isStopped) return;
    this.#startNext();
    this.#options.onChange();
  }

  async #storePage(reading: Reading, page: Page, reached: StoredScope, isFirstLoad: boolean): Promise<void> {
    const { context, journal, change } = this.#options;
    const { target, want } = reading;
    // The scope that a document has gone to may bring it in the same moment.
    if (page.entries.some(({ type }) => type === "leave")) await null;
    await change(() => {
      if (!this.#isCurrent(reading)) return null;
      const known = epochOf(journal, target);
      if (known === undefined && target !== want.collection) return null; // that turn has ended
      if (known !== undefined && known !== page.epoch)
        return decideTurn(journal, want.collection, want.scope, page.epoch);
      const { commit, publication } = decidePage(context, page, { ...reached, collection: target });
      // What is read aside tells nothing, and what is held of the old epoch waits for the turn.
      if (target !== want.collection) return { commit, publication };
      const hasGone = (commit.removedDocuments ?? []).length > 0;
      const tell = (stored: Publication) => {
        const isWhole = page.done && !(hasGone && this.#isBehind(reading));
        const isShown = isFirstLoad || isWhole || !this.#isCurrent(reading); // else nobody would, later
        return this.#held.page(keyOfScope(want), stored, isShown);
      };
      return { commit, publication, tell };
    });
    if (page.done) this.#behind.delete(keyOfScope(want));
    this.catchUp(remadeDocuments(journal));
    const isOver = reached.isComplete && !this.isWanted(want); // it was read to repair it, say
    const isElsewhere = this.#planOf(want, new Set(turningCollections(journal))) !== reading.plan;
    if (isOver || isElsewhere) this.refresh();
  }

  async #beginAnew(reading: Reading, epoch: string): Promise<StoredScope | undefined> {
    const { journal, change } = this.#options;
    const { target, want } = reading;
    await change(() => {
      if (!this.#isCurrent(reading)) return null;
      return epochOf(journal, target) === epoch
        ? decideReread(journal, target, want.scope)
        : decideTurn(journal, want.collection, want.scope, epoch);
    });
    this.refresh();
    return journal.scope(target, want.scope);
  }

  #isCurrent(reading: Reading): boolean {
    return this.#readings.get(keyOf(reading.want.collection, reading.want.scope)) === reading;
  }

  #isBehind(reading: Reading): boolean {
    return [...this.#readings.values()].some(
      (other) =>
        other !== reading && other.want.collection === reading.want.collection && other.reader.isBehind,
    );
  }

  /** Shows what waited for others of its collection. */
  #showReady(): void {
    for (const key of this.#held.keys) {
      const reading = this.#readings.get(key);
      const isOwn = reading !== undefined && reading.target === reading.want.collection;
      const isReady =
        isOwn && reading.reader.state === "live" && !reading.reader.isBehind && !this.#isBehind(reading);
      if (isReady) this.#showHeld(key);
    }
  }

  #showHeld(key: string): void {
    if (this.#held.has(key)) this.#options.journal.announce(this.#held.take(key));
  }
}
