import { limits } from "../../shared/limits.js";
import { startCursor, type Page, type PullResult } from "../../shared/wire.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { StoredScope } from "../ports/storage.js";
import type { Transport } from "../ports/transport.js";
import type { ScopeState } from "../base/types.js";
import { StandingQuestion } from "./standingQuestion.js";

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
 *
 * A first load is stored page by page, and shown so. What a catch-up brings is stored as one, with the position behind it
 * (I-2): whoever reads the database meanwhile, or after this tab has died, finds no half of a commit (I-6). One that is
 * larger than `limits.catchUpEntries` is stored in parts, so that it comes to its end on a device that is never awake
 * for long: then a half may be found, as after a restart.
 */
export class ScopeReader {
  readonly #options: ScopeReaderOptions;
  #position: StoredScope | undefined;
  #state: ScopeState = "idle";
  #progress = 0;
  readonly #question: StandingQuestion<PullResult>;
  /** The pages of a catch-up that were read and are not stored; null: none. */
  #collected: Page | null = null;
  #isInParts = false;

  constructor(options: ScopeReaderOptions) {
    this.#options = options;
    this.#position = options.stored;
    this.#question = new StandingQuestion<PullResult>({
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
    return !this.#question.isStopped && (this.#question.isBusy || isToCatchUp);
  }

  /** Whether a part of a catch-up is stored, or being stored, and its end is not. */
  get isInParts(): boolean {
    return this.#isInParts;
  }

  /** Whether pushing need not wait for this scope. */
  get isSettled(): boolean {
    return this.#state === "live" || this.#state === "denied" || this.#state === "error";
  }

  start(): void {
    if (this.#question.isStopped) return;
    this.#setState(this.#readingState());
    this.#question.ask();
  }

  stop(): void {
    this.#question.stop();
  }

  /** What is live now may be behind once the connection is back; then the open question is answered again. */
  onDisconnected(): void {
    if (this.#state === "live") this.#setState("catchingUp");
  }

  #readingState(): ScopeState {
    return this.isComplete ? "catchingUp" : "bootstrapping";
  }

  #ask(take: (result: PullResult) => void, fail: (error: unknown) => void): () => void {
    const { transport, collection, scope } = this.#options;
    const { cursor = startCursor, epoch, horizon } = this.#position ?? {};
    const known = {
      ...(epoch === undefined ? {} : { epoch }),
      ...(horizon === undefined ? {} : { horizon }),
    };
    return transport.watchPull({ collection, scope, cursor, ...known }, take, fail);
  }

  async #process(result: PullResult): Promise<void> {
    if (result.type === "denied") return this.#deny();
    if (result.type === "reset") return this.#beginAnew(result.epoch);
    const isFirstLoad = !this.isComplete;
    if (isFirstLoad) this.#progress += result.entries.length;
    const position = this.#positionAfter(result);
    const all = this.#collected === null ? result : joinPages(this.#collected, result);
    if (isFirstLoad || result.done || isLarge(all)) {
      this.#isInParts ||= !isFirstLoad && !result.done;
      if (all.entries.length > 0 || isOtherKind(this.#position, position))
        await this.#options.storePage(all, position, isFirstLoad);
      if (this.#question.isStopped) return;
      this.#collected = null;
      if (result.done) this.#isInParts = false;
      this.#options.onRead();
    } else this.#collected = all;
    if (this.#question.isFailed) return void (this.#position = position); // meanwhile
    this.#question.noteSuccess();
    const isElsewhere = !isSamePosition(this.#position, position);
    this.#position = position;
    this.#setState(result.done ? "live" : this.#readingState());
    if (isElsewhere) this.#question.ask();
  }

  #positionAfter({ done, cursor, epoch, horizon, schemaVersion }: Page): StoredScope {
    const { collection, scope } = this.#options;
    const isComplete = this.isComplete || done;
    const unmet = done ? undefined : this.#position?.unmet;
    return {
      ...{ collection, scope, cursor, epoch, isComplete },
      ...(horizon === undefined ? {} : { horizon }),
      ...(this.#position?.isRepair && !isComplete ? { isRepair: true as const } : {}),
      ...(unmet === undefined ? {} : { unmet }),
      ...(schemaVersion === undefined ? {} : { schemaVersion }),
    };
  }

  async #beginAnew(epoch: string): Promise<void> {
    this.#collected = null;
    const position = await this.#options.beginAnew(epoch);
    if (this.#question.isStopped) return;
    this.#position = position;
    if (this.#question.isFailed) return; // meanwhile
    this.#progress = 0;
    this.#setState(this.#readingState());
    this.#question.ask();
  }

  async #deny(): Promise<void> {
    const asksFromStart = this.#position === undefined;
    this.#position = undefined;
    [this.#collected, this.#isInParts] = [null, false];
    this.#progress = 0;
    await this.#options.forget();
    if (this.#question.isStopped) return;
    this.#setState("denied");
    if (!asksFromStart) this.#question.ask(); // what is read once the permission is back has to be all of it
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

/** Whether what is told of a scope is another thing, wherever it stands. */
function isOtherKind(
  before: Pick<StoredScope, "isComplete" | "unmet" | "schemaVersion"> = { isComplete: false },
  after: StoredScope,
): boolean {
  return (
    before.isComplete !== after.isComplete ||
    before.unmet !== after.unmet ||
    before.schemaVersion !== after.schemaVersion
  );
}

function joinPages(collected: Page, next: Page): Page {
  return { ...next, entries: [...collected.entries, ...next.entries] };
}

function isLarge({ entries }: Page): boolean {
  if (entries.length >= limits.catchUpEntries) return true;
  const bytes = entries.reduce((sum, entry) => sum + ("bytes" in entry ? entry.bytes.byteLength : 0), 0);
  return bytes >= limits.catchUpBytes;
}
