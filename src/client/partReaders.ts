import type { DocumentName, OpenPart, PartTold, Want } from "./base/tabMessages.js";
import { emptyPublication } from "./base/publication.js";
import { mergePart } from "./documents/mergePart.js";
import { epochOf } from "./epochs.js";
import type { Clock, Randomness } from "./ports/clock.js";
import type { PartPlace, Storage, StoredDocument } from "./ports/storage.js";
import type { Transport } from "./ports/transport.js";
import { limits } from "../shared/limits.js";
import { backoffMs } from "./core/backoff.js";
import { keyOf, keyOfPart } from "./core/keys.js";
import type { Decision, Journal } from "./store/journal.js";
import { DueParts } from "./stream/dueParts.js";
import { PartReader, type PartNews } from "./stream/partReader.js";

export interface PartReadersOptions {
  readonly journal: Journal;
  readonly storage: Pick<Storage, "part">;
  readonly watchPart: NonNullable<Transport["watchPart"]>;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Decides and stores as the leader; null is decided once it is not the leader any more. */
  change(decide: () => Decision | null): Promise<void>;
  /** To every tab, this one included. */
  tell(told: PartTold): void;
  onError(error: unknown): void;
}

interface Reading {
  readonly place: PartPlace;
  readonly reader: PartReader;
}

/**
 * The readers of all parts that some tab has open, which go on watching them, and of those that are to be on the device
 * before anybody opens them, which are read once whenever the scope's stream tells of something newer. Of the latter
 * `limits.partsReadAtOnce` are read at a time, what is on a screen first; what is open waits for nobody.
 */
export class PartReaders {
  readonly #options: PartReadersOptions;
  readonly #readings = new Map<string, Reading>();
  #open = new Map<string, OpenPart>();
  readonly #due = new DueParts();
  #prefetched: ReadonlySet<string> = new Set();
  #visible: ReadonlySet<string> = new Set();
  /** Ends a pause in which no reading in advance is begun; null: there is none. */
  #endPause: (() => void) | null = null;
  /** Readings in advance that have failed, each after a pause, since one has not. */
  #failures = 0;
  #isStopped = false;
  #isRefreshing = false;

  constructor(options: PartReadersOptions) {
    this.#options = options;
  }

  /** What tabs have open. A part that a tab has not got is told to it again, or read again. */
  setOpen(parts: readonly OpenPart[]): void {
    this.#open = new Map(parts.map((part) => [keyOfPart(part), part]));
    for (const part of parts) if (part.isMissing) this.#answer(part);
    this.#refresh();
  }

  /** The scopes whose parts are to be on the device. */
  setPrefetched(scopes: readonly Want[]): void {
    const keys = new Set(scopes.map(({ collection, scope }) => keyOf(collection, scope)));
    const isSame = keys.size === this.#prefetched.size && [...keys].every((key) => this.#prefetched.has(key));
    if (isSame) return;
    this.#prefetched = keys;
    this.#due.clear();
    for (const collection of new Set(scopes.map((each) => each.collection)))
      this.#noteDue(this.#options.journal.documentsOf(collection));
    this.#refresh();
  }

  setVisible(documents: readonly DocumentName[]): void {
    this.#visible = new Set(documents.map(({ collection, id }) => keyOf(collection, id)));
  }

  /** Documents were stored, or are gone. */
  noteStored({ documents = [], removedDocuments = [], removedParts = [] }: Decision["commit"]): void {
    const { journal } = this.#options;
    const isGone = ({ collection, id }: PartPlace) => journal.document(collection, id) === undefined;
    const gone = new Set(removedDocuments.map(({ collection, id }) => keyOf(collection, id)));
    const anew = new Set(removedParts.map(keyOfPart));
    for (const [key, { place }] of this.#readings)
      if (anew.has(key) || gone.has(keyOf(place.collection, place.id))) this.#end(key);
    for (const document of removedDocuments) this.#due.removeDocument(document);
    for (const place of this.#open.values())
      if (gone.has(keyOf(place.collection, place.id)) && isGone(place))
        this.#options.tell({ type: "ended", place: placeOf(place), reason: "gone" });
    this.#noteDue(documents);
    this.#refresh();
  }

  stop(): void {
    this.#isStopped = true;
    this.#endPause?.();
    for (const { reader } of this.#readings.values()) reader.stop();
  }

  #noteDue(documents: readonly StoredDocument[]): void {
    const { journal } = this.#options;
    for (const { collection, id, scope, row, newest } of documents) {
      if (newest === undefined || row === null || !this.#prefetched.has(keyOf(collection, scope))) continue;
      for (const [part, ts] of Object.entries(newest)) {
        const place = { collection, id, part };
        const held = journal.part(place);
        const isHeld = held !== undefined && held.cursor >= ts && held.epoch === epochOf(journal, collection);
        if (!isHeld) this.#due.add(place);
      }
    }
  }

  /** Begins what is to be read, and ends what nobody needs any more. */
  #refresh(): void {
    if (this.#isStopped || this.#isRefreshing) return; // each beginning is a change, of which this hears
    this.#isRefreshing = true;
    this.#endUnneeded();
    this.#beginOpen();
    this.#beginDue();
    this.#isRefreshing = false;
  }

  #endUnneeded(): void {
    for (const [key, { place }] of [...this.#readings])
      if (!this.#open.has(key) && !this.#due.has(place)) this.#end(key);
  }

  #beginOpen(): void {
    const { journal } = this.#options;
    for (const [key, place] of this.#open) {
      const isHere = journal.document(place.collection, place.id) !== undefined; // else it is read when it comes
      if (isHere && !this.#readings.has(key)) this.#begin(key, place);
    }
  }

  #beginDue(): void {
    if (this.#endPause !== null) return;
    const reading = [...this.#readings.values()].filter(({ reader }) => reader.state === "reading");
    let free = limits.partsReadAtOnce - reading.length;
    for (const place of this.#due.inOrder(this.#visible)) {
      if (free <= 0) return;
      const key = keyOfPart(place);
      if (this.#readings.has(key)) continue;
      this.#begin(key, place);
      free--;
    }
  }

  #begin(key: string, place: PartPlace): void {
    const { journal, watchPart, clock, randomness, onError, tell } = this.#options;
    const own = placeOf(place);
    const reader: PartReader = new PartReader({
      ...{ place: own, watchPart, clock, randomness, onError },
      stored: journal.part(own),
      store: (news) => this.#store(key, reader, own, news),
      onEnd: (reason) => {
        this.#due.remove(own);
        if (this.#open.has(key)) tell({ type: "ended", place: own, reason });
      },
      onChange: () => this.#onReaderChange(key, reader),
    });
    this.#readings.set(key, { place: own, reader });
    reader.start();
  }

  #onReaderChange(key: string, reader: PartReader): void {
    if (this.#isStopped || this.#readings.get(key)?.reader !== reader) return;
    if (reader.state === "error") this.#onFailed(key, reader.place);
    if (reader.state === "live") {
      this.#due.remove(reader.place);
      this.#failures = 0;
    }
    this.#refresh();
  }

  /**
   * A part that is open is asked for again by its own reader. Of those that are read in advance all may fail for one
   * reason: were each asked for again by itself, ten thousand would be. The one that failed is the last in the queue, and
   * the queue waits.
   */
  #onFailed(key: string, place: PartPlace): void {
    if (this.#open.has(key)) return;
    this.#end(key);
    this.#due.noteFailed(place);
    if (this.#endPause !== null) return;
    const { clock, randomness } = this.#options;
    const pauseMs = backoffMs(++this.#failures, randomness.fraction());
    this.#endPause = clock.setTimer(() => {
      this.#endPause = null;
      this.#refresh();
    }, pauseMs);
  }

  #end(key: string): void {
    this.#readings.get(key)?.reader.stop();
    this.#readings.delete(key);
  }

  /** Only its reader writes a part: what is held cannot change between its reading and the commit, unless it goes. */
  async #store(key: string, reader: PartReader, place: PartPlace, news: PartNews): Promise<void> {
    const { journal, storage, change, tell } = this.#options;
    const held = news.isWhole || journal.part(place) === undefined ? null : await storage.part(place);
    const { blobs, cursor, epoch, isWhole } = news;
    await change(() => {
      const isOver = this.#readings.get(key)?.reader !== reader;
      if (isOver || journal.document(place.collection, place.id) === undefined) return null; // I-12
      if (!isWhole && held === null) {
        this.#end(key); // its record is damaged: it is read again, from its start
        return { commit: { removedParts: [place] }, publication: emptyPublication };
      }
      const base = mergePart(held?.base, blobs);
      const part = { ...place, cursor, epoch, bytes: base.length, base };
      const told: PartTold = { type: "read", place, blobs, isWhole };
      return {
        commit: { parts: [part] },
        publication: emptyPublication,
        tell: (publication) => {
          if (this.#open.has(key)) tell(told);
          return publication;
        },
      };
    });
    this.#refresh();
  }

  /** Some tab has a part open and found nothing of it: it may have come to that later than the others. */
  #answer(part: OpenPart): void {
    const { journal, tell } = this.#options;
    const [key, place] = [keyOfPart(part), placeOf(part)];
    const reason = this.#readings.get(key)?.reader.endReason ?? null;
    if (reason !== null) tell({ type: "ended", place, reason });
    else if (journal.part(place) !== undefined) void this.#bring(key, place); // else it is being read
  }

  async #bring(key: string, place: PartPlace): Promise<void> {
    const { storage, change, tell, onError } = this.#options;
    try {
      const held = await storage.part(place);
      if (held !== null) return tell({ type: "read", place, blobs: [held.base], isWhole: false });
      await change(() => {
        this.#end(key);
        return { commit: { removedParts: [place] }, publication: emptyPublication };
      });
      this.#refresh();
    } catch (error) {
      onError(error);
    }
  }
}

function placeOf({ collection, id, part }: PartPlace): PartPlace {
  return { collection, id, part };
}
