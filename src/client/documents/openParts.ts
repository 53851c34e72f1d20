import { limits } from "../../shared/limits.js";
import { holdsAllOf, mergeIntoPart, openPart, type PartDoc } from "../../shared/partDocument.js";
import { createDeferred, type Deferred } from "../base/deferred.js";
import { asError, closedError, ReplicaError } from "../base/errors.js";
import { Emitter } from "../base/events.js";
import type { InspectedPart } from "../base/inspection.js";
import { Loop } from "../base/loop.js";
import type { OpenPart, PartTold } from "../base/tabMessages.js";
import { keyOfPart } from "../core/keys.js";
import { chooseForgotten } from "../core/retention.js";
import type { Clock } from "../ports/clock.js";
import type { PartPlace, StoredPart } from "../ports/storage.js";
import { blobsOf } from "./base.js";

/** How long, and how much, a tab keeps of parts that it has closed: who goes back to one finds it as it was. */
export const partRetention = { keptMs: 5 * 60_000, keptBytes: 16 * 1024 * 1024 } as const;

/** The origin of Yjs transactions that bring what others have typed. */
export const remoteOrigin = Symbol("remote");

/** Somebody's use of a part; it ends with `close`. */
export interface PartHandle {
  /**
   * Resolves once it has come from the device or the server. Rejects with `denied`, with `unknown_document` if there is no
   * such document any more, with `too_large` or `storage_corrupt` if it cannot be opened, and with `closed`.
   */
  readonly loaded: Promise<void>;
  /** Null: it is not loaded. */
  readonly doc: PartDoc | null;
  /** Calls `listener` with the document that has taken the place of the one before, which held what the server does not. */
  onReplaced(listener: (doc: PartDoc) => void): () => void;
  close(): void;
}

export interface OpenPartsOptions {
  /** From the local database. */
  read(place: PartPlace): Promise<StoredPart | null>;
  readonly clock: Clock;
  /** What is open, or missing, is something else. */
  onChange(): void;
  onError(error: unknown): void;
}

interface Part {
  readonly place: PartPlace;
  readonly replaced: Emitter<PartDoc>;
  loaded: Deferred;
  hasFailed: boolean;
  doc: PartDoc | null;
  /** Of what it was opened from, and what came since. */
  bytes: number;
  users: number;
  /** Since when nobody uses it, in ms since 1970; undefined: somebody does. */
  unwantedSince: number | undefined;
  /** The local database was read. */
  isRead: boolean;
  /** There was a document of it before. */
  wasShown: boolean;
  /** How often the leader has told of it. */
  told: number;
}

/**
 * The parts that this tab has open, each as one Yjs document whoever uses it, and those that it has closed a while ago.
 * What is on the device is shown at once; the leader tells of what comes, and of what the device does not hold.
 */
export class OpenParts {
  readonly #options: OpenPartsOptions;
  readonly #parts = new Map<string, Part>();
  readonly #loop: Loop;

  constructor(options: OpenPartsOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, async () => this.#evict());
  }

  /** What is in use. `isMissing`: nothing of it is here. */
  get open(): OpenPart[] {
    return [...this.#parts.values()].flatMap(({ place, users, doc, isRead }) =>
      users === 0 ? [] : [isRead && doc === null ? { ...place, isMissing: true as const } : place],
    );
  }

  /** All that are in memory, used or not. */
  get inspected(): InspectedPart[] {
    return [...this.#parts.values()].map(({ place, users, doc, bytes }) => ({
      ...place,
      users,
      isLoaded: doc !== null,
      bytes,
    }));
  }

  use(place: PartPlace): PartHandle {
    const key = keyOfPart(place);
    const part = this.#parts.get(key) ?? createPart(place);
    this.#parts.set(key, part);
    part.users++;
    if (part.users === 1) void this.#read(part);
    part.unwantedSince = undefined;
    let isClosed = false;
    return {
      get loaded() {
        return part.loaded.promise;
      },
      get doc() {
        return part.doc;
      },
      onReplaced: (listener) => part.replaced.on(listener),
      close: () => {
        if (isClosed) return;
        isClosed = true;
        this.#release(part);
      },
    };
  }

  /** The leader tells of a part. */
  receive(told: PartTold): void {
    const part = this.#parts.get(keyOfPart(told.place));
    if (part === undefined) return;
    part.told++;
    if (told.type === "ended") this.#fail(part, endedError(told));
    else this.#take(part, told.blobs, told.isWhole);
  }

  /** What was told may not have reached this tab: the database holds all of it. */
  reload(): void {
    for (const part of this.#parts.values()) if (part.users > 0) void this.#read(part);
  }

  stop(): void {
    this.#loop.stop();
    for (const part of this.#parts.values()) this.#fail(part, closedError());
    this.#parts.clear();
  }

  #release(part: Part): void {
    part.users--;
    if (part.users > 0) return;
    const { clock, onChange } = this.#options;
    part.unwantedSince = clock.now();
    this.#evict();
    this.#loop.wake(partRetention.keptMs);
    onChange();
  }

  /**
   * What the database holds is the whole part, up to what was told meanwhile. What is in memory may be of before: the
   * document may have gone, and another may have its id.
   */
  async #read(part: Part): Promise<void> {
    const { read, onChange, onError } = this.#options;
    try {
      let told: number;
      let stored: StoredPart | null;
      do {
        told = part.told;
        stored = await read(part.place);
      } while (part.told !== told);
      if (stored !== null) this.#take(part, [stored.base], true);
      else if (part.doc !== null) this.#drop(part);
    } catch (error) {
      onError(error); // the leader may have it all the same
    }
    part.isRead = true;
    onChange();
  }

  #take(part: Part, bases: readonly Uint8Array[], isWhole: boolean): void {
    const blobs = bases.flatMap(blobsOf);
    const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0);
    try {
      if (part.doc === null) this.#show(part, openPart(blobs));
      else if (!isWhole) mergeIntoPart(part.doc, blobs, remoteOrigin);
      else {
        const whole = openPart(blobs);
        if (holdsAllOf(whole, part.doc)) mergeIntoPart(part.doc, blobs, remoteOrigin);
        else this.#replace(part, whole);
      }
      part.bytes = isWhole ? bytes : part.bytes + bytes;
    } catch (error) {
      const { collection, id, part: name } = part.place;
      const message = `"${name}" of document "${id}" of "${collection}" cannot be opened: ${asError(error).message}`;
      const code = bytes > limits.partStateBytes ? "too_large" : "storage_corrupt";
      const fault = new ReplicaError(code, message, { cause: error });
      this.#fail(part, fault);
      this.#options.onError(fault);
    }
  }

  #show(part: Part, doc: PartDoc): void {
    if (part.hasFailed) part.loaded = createDeferred();
    part.hasFailed = false;
    part.doc = doc;
    part.loaded.resolve();
    if (part.wasShown) part.replaced.emit(doc);
    part.wasShown = true;
  }

  #replace(part: Part, doc: PartDoc): void {
    part.doc?.destroy();
    part.doc = doc;
    part.replaced.emit(doc);
  }

  /** It is loaded again once something of it comes. */
  #drop(part: Part): void {
    if (part.doc !== null) part.loaded = createDeferred();
    part.doc?.destroy();
    part.doc = null;
  }

  /** Whoever asks for it from now on hears of it, until something of it comes. */
  #fail(part: Part, error: ReplicaError): void {
    this.#drop(part);
    part.hasFailed = true;
    part.loaded.reject(error);
  }

  /** @returns when to look again */
  #evict(): number | null {
    const kept = [...this.#parts.values()].filter(({ users }) => users === 0);
    const now = this.#options.clock.now();
    const gone = chooseForgotten(
      kept.map((part) => ({ ...part, part, hasPending: false })),
      now,
      partRetention,
    );
    for (const { part } of gone) {
      part.doc?.destroy();
      this.#parts.delete(keyOfPart(part.place));
    }
    return kept.length > gone.length ? partRetention.keptMs : null;
  }
}

function createPart(place: PartPlace): Part {
  const { collection, id, part } = place;
  return {
    place: { collection, id, part },
    replaced: new Emitter<PartDoc>(),
    loaded: createDeferred(),
    hasFailed: false,
    doc: null,
    bytes: 0,
    users: 0,
    unwantedSince: undefined,
    isRead: false,
    wasShown: false,
    told: 0,
  };
}

function endedError({ place: { collection, id }, reason }: PartTold & { type: "ended" }): ReplicaError {
  const name = `Document "${id}" of "${collection}"`;
  if (reason === "denied") return new ReplicaError("denied", `${name} may not be read by this user.`);
  return new ReplicaError("unknown_document", `${name} is not there any more.`);
}
