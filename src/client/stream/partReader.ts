import { startOfPart, type PartEntry, type PartPage, type PullPartResult } from "../../shared/wire.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { PartPlace, PartPosition } from "../ports/storage.js";
import type { Transport } from "../ports/transport.js";
import { StandingQuestion } from "./standingQuestion.js";

/** What was read of a part. */
export interface PartNews {
  /** In stream order. */
  readonly blobs: readonly Uint8Array[];
  readonly cursor: bigint;
  readonly epoch: string;
  /** It is the whole part, and takes the place of what is held. */
  readonly isWhole: boolean;
}

/** `idle`: not begun, or ended. `ended`: there is nothing that may be read. */
export type PartState = "idle" | "reading" | "live" | "error" | "ended";

export interface PartReaderOptions {
  readonly place: PartPlace;
  readonly watchPart: NonNullable<Transport["watchPart"]>;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Where to go on; undefined: from the start. */
  readonly stored: PartPosition | undefined;
  /** Stores what was read with the position behind it, in one local transaction (I-2). */
  store(news: PartNews): Promise<void>;
  /** `denied`: the user may not read its document. `gone`: there is none. */
  onEnd(reason: "denied" | "gone"): void;
  onChange(): void;
  onError(error: unknown): void;
}

/**
 * Reads one part: asks for what is after the cursor until there is no more, stores all of it as one, and goes on watching
 * what comes. Somebody who has it open sees no half of what was typed elsewhere, and a part has a few MiB at the most.
 *
 *     idle → reading ─ done ─→ live → reading (it goes on: more than a page)
 *     any → reading from the start (the server says reset: what comes is the whole)
 *     any → error (the query or the storage fails) → reading, after a while
 *     any → ended (the server says denied, or gone) → live (it answers again)
 */
export class PartReader {
  readonly #options: PartReaderOptions;
  /** What is stored; undefined: nothing that could be gone on from. */
  #stored: Pick<PartPosition, "cursor" | "epoch"> | undefined;
  /** Where it is asked from: past what was read and is not stored. */
  #cursor = startOfPart;
  #epoch: string | undefined;
  #isWhole = true;
  #entries: readonly PartEntry[] = [];
  #state: PartState = "idle";
  readonly #question: StandingQuestion<PullPartResult>;
  #endReason: "denied" | "gone" | null = null;

  constructor(options: PartReaderOptions) {
    this.#options = options;
    this.#stored = options.stored;
    this.#question = new StandingQuestion<PullPartResult>({
      ...options,
      ask: (take, fail) => this.#ask(take, fail),
      process: (result) => this.#process(result),
      onFailed: (error) => {
        options.onError(error);
        this.#setState("error");
      },
      begin: () => this.start(),
    });
  }

  get place(): PartPlace {
    return this.#options.place;
  }

  get state(): PartState {
    return this.#state;
  }

  /** Why there is nothing that may be read; null: there is, or may be. */
  get endReason(): "denied" | "gone" | null {
    return this.#state === "ended" ? this.#endReason : null;
  }

  start(): void {
    if (this.#question.isStopped) return;
    [this.#cursor, this.#epoch] = [this.#stored?.cursor ?? startOfPart, this.#stored?.epoch];
    [this.#isWhole, this.#entries] = [this.#stored === undefined, []];
    this.#setState("reading");
    this.#question.ask();
  }

  stop(): void {
    this.#question.stop();
  }

  #ask(take: (result: PullPartResult) => void, fail: (error: unknown) => void): () => void {
    const { place, watchPart } = this.#options;
    const { collection, id: document, part } = place;
    const epoch = this.#epoch === undefined ? {} : { epoch: this.#epoch };
    return watchPart({ collection, document, part, cursor: this.#cursor, ...epoch }, take, fail);
  }

  async #process(result: PullPartResult): Promise<void> {
    if (result.type === "denied" || result.type === "gone") return this.#end(result.type);
    if (result.type === "reset") {
      [this.#cursor, this.#epoch] = [startOfPart, result.epoch];
      [this.#isWhole, this.#entries] = [true, []];
      return this.#goOn("reading");
    }
    const { cursor, epoch, done } = result;
    const isElsewhere = cursor !== this.#cursor || epoch !== this.#epoch;
    const entries = [...this.#entries, ...result.entries];
    if (done) {
      if (entries.length > 0 || this.#isWhole) await this.#store(result, entries);
      this.#stored = { cursor, epoch };
    }
    if (this.#question.isStopped || this.#question.isFailed) return; // meanwhile
    [this.#entries, this.#isWhole] = done ? [[], false] : [entries, this.#isWhole];
    [this.#cursor, this.#epoch] = [cursor, epoch];
    this.#question.noteSuccess();
    if (isElsewhere) this.#goOn(done ? "live" : "reading");
    else this.#setState("live");
  }

  #store({ cursor, epoch }: PartPage, entries: readonly PartEntry[]): Promise<void> {
    const blobs = entries.map(({ bytes }) => new Uint8Array(bytes));
    return this.#options.store({ blobs, cursor, epoch, isWhole: this.#isWhole });
  }

  #goOn(state: "reading" | "live"): void {
    this.#setState(state);
    this.#question.ask();
  }

  /** The question stays open: the permission may come back. */
  #end(reason: "denied" | "gone"): void {
    this.#endReason = reason;
    this.#setState("ended");
    this.#options.onEnd(reason);
  }

  #setState(state: PartState): void {
    this.#state = state;
    this.#options.onChange();
  }
}
