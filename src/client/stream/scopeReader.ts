import { startCursor, type Cursor, type Page, type PullResult } from "../../shared/wire.js";
import { backoffMs } from "../core/backoff.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { StoredScope } from "../ports/storage.js";
import type { Transport } from "../ports/transport.js";
import type { ScopeState } from "../base/types.js";

export interface ScopeReaderOptions {
  readonly collection: string;
  readonly scope: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Where to go on; undefined: never read. */
  readonly stored: StoredScope | undefined;
  /** Merges and stores a page with the position behind it, in one local transaction (I-2). */
  storePage(page: Page, position: StoredScope, isFirstLoad: boolean): Promise<void>;
  /** The user may not read this scope, now or any more. */
  forget(): Promise<void>;
  /**
   * The server's stream cannot be gone on with from here: it is to be read anew.
   *
   * @param epoch the server's
   * @returns where to begin; nothing of it matters if the reader was stopped meanwhile
   */
  beginAnew(epoch: string): Promise<StoredScope | undefined>;
  /** The server has answered, and what it sent is stored. */
  onRead(): void;
  onChange(): void;
  /** Whatever the server has sent so far is stored. */
  onIdle(): void;
  onError(error: unknown): void;
}

/**
 * Reads one scope's stream: asks for what is after the cursor, stores it, moves on, until there is no more; then
 * the last question stays open as a subscription. So a reopened scope costs one query, however much it holds.
 *
 *     idle → bootstrapping ─ done ─→ live ⇄ catchingUp (a page that is not the last, or the connection was lost)
 *     any → denied (the server says so) → bootstrapping (it answers again)
 *     any → bootstrapping or catchingUp, from the start (the server says reset)
 *     any → error (the query or the storage fails) → as before, after a while
 */
export class ScopeReader {
  readonly #options: ScopeReaderOptions;
  #position: StoredScope | undefined;
  #state: ScopeState = "idle";
  #progress = 0;
  #stopWatch: () => void = () => {};
  #cancelRetry: () => void = () => {};
  #isStopped = false;
  #isBusy = false;
  #next: PullResult | null = null;
  #failures = 0;

  constructor(options: ScopeReaderOptions) {
    this.#options = options;
    this.#position = options.stored;
  }

  get collection(): string {
    return this.#options.collection;
  }

  get scope(): string {
    return this.#options.scope;
  }

  get state(): ScopeState {
    return this.#state;
  }

  /** Entries of the first load that were received. */
  get progress(): number {
    return this.#progress;
  }

  get isComplete(): boolean {
    return this.#position?.isComplete ?? false;
  }

  get epoch(): string | undefined {
    return this.#position?.epoch;
  }

  /** Whether there is something of the stream that it has not shown: what has left another scope may be in it. */
  get isBehind(): boolean {
    const isToCatchUp = this.#state === "catchingUp" || (this.#state === "idle" && this.isComplete);
    return !this.#isStopped && (this.#isBusy || isToCatchUp);
  }

  /** Whether pushing need not wait for this scope. */
  get isSettled(): boolean {
    return this.#state === "live" || this.#state === "denied" || this.#state === "error";
  }

  start(): void {
    if (this.#isStopped) return;
    this.#cancelRetry();
    this.#setState(this.#readingState());
    this.#watch();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry();
    this.#stopWatch();
  }

  /** What is live now may be behind once the connection is back; then the open question is answered again. */
  onDisconnected(): void {
    if (this.#state === "live") this.#setState("catchingUp");
  }

  #readingState(): ScopeState {
    return this.isComplete ? "catchingUp" : "bootstrapping";
  }

  /** Asks at the cursor before it lets go of the question before, so that an equal one is not asked twice. */
  #watch(): void {
    const { transport, collection, scope } = this.#options;
    const stopLast = this.#stopWatch;
    const { cursor = startCursor, epoch, horizon } = this.#position ?? {};
    let isCurrent = true;
    const stop = transport.watchPull(
      {
        collection,
        scope,
        cursor,
        ...(epoch === undefined ? {} : { epoch }),
        ...(horizon === undefined ? {} : { horizon }),
      },
      (result) => isCurrent && this.#take(result),
      (error) => isCurrent && this.#fail(error),
    );
    this.#stopWatch = () => {
      isCurrent = false;
      stop();
    };
    stopLast();
  }

  /** One result is worked on at a time; of those that come meanwhile the newest holds all of the others. */
  #take(result: PullResult): void {
    if (this.#isStopped) return;
    this.#next = result;
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    try {
      while (this.#next !== null && !this.#isStopped) {
        const result = this.#next;
        this.#next = null;
        await this.#process(result);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isBusy = false;
      if (!this.#isStopped) this.#options.onIdle();
    }
  }

  async #process(result: PullResult): Promise<void> {
    if (result.type === "denied") return this.#deny();
    if (result.type === "reset") return this.#beginAnew(result.epoch);
    const { collection, scope } = this.#options;
    const isFirstLoad = !this.isComplete;
    const cursor = result.cursor as Cursor;
    const isComplete = this.isComplete || result.done;
    const unmet = result.done ? undefined : this.#position?.unmet;
    const { schemaVersion } = result;
    const isMoved =
      result.entries.length > 0 ||
      isComplete !== this.isComplete ||
      unmet !== this.#position?.unmet ||
      schemaVersion !== this.#position?.schemaVersion;
    if (isFirstLoad) this.#progress += result.entries.length;
    const { epoch, horizon } = result;
    const behind = horizon === undefined ? {} : { horizon };
    const rest = {
      ...(this.#position?.isRepair && !isComplete ? { isRepair: true as const } : {}),
      ...(unmet === undefined ? {} : { unmet }),
      ...(schemaVersion === undefined ? {} : { schemaVersion }),
    };
    const position = { collection, scope, cursor, epoch, isComplete, ...behind, ...rest };
    if (isMoved) await this.#options.storePage(result, position, isFirstLoad);
    if (this.#isStopped) return;
    if (this.#state === "error") return void (this.#position = position); // the question failed meanwhile
    this.#failures = 0;
    this.#options.onRead();
    const isElsewhere = !isSamePosition(this.#position, position);
    this.#position = position;
    this.#setState(result.done ? "live" : this.#readingState());
    if (isElsewhere) {
      this.#next = null; // an answer to the question before: the next one is answered with all of it
      this.#watch();
    }
  }

  async #beginAnew(epoch: string): Promise<void> {
    const position = await this.#options.beginAnew(epoch);
    if (this.#isStopped) return;
    this.#position = position;
    if (this.#state === "error") return; // the question failed meanwhile
    this.#progress = 0;
    this.#setState(this.#readingState());
    this.#next = null;
    this.#watch();
  }

  async #deny(): Promise<void> {
    const asksFromStart = this.#position === undefined;
    this.#position = undefined;
    this.#progress = 0;
    await this.#options.forget();
    if (this.#isStopped) return;
    this.#setState("denied");
    // What is read once the permission is back has to be all of it.
    if (asksFromStart) return;
    this.#next = null;
    this.#watch();
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#stopWatch();
    this.#cancelRetry();
    this.#next = null;
    this.#options.onError(error);
    this.#setState("error");
    const { clock, randomness } = this.#options;
    this.#cancelRetry = clock.setTimer(
      () => this.start(),
      backoffMs(++this.#failures, randomness.fraction()),
    );
  }

  #setState(state: ScopeState): void {
    this.#state = state;
    this.#options.onChange();
  }
}

function isSamePosition(a: StoredScope | undefined, b: StoredScope): boolean {
  return (
    a !== undefined &&
    a.epoch === b.epoch &&
    a.cursor.ts === b.cursor.ts &&
    a.cursor.document === b.cursor.document
  );
}
