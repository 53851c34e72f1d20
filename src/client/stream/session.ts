import { limits } from "../../shared/limits.js";
import type { ScopeCursor } from "../../shared/sessionWire.js";
import { Loop } from "../base/loop.js";
import { backoffMs } from "../core/backoff.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { SessionTransport } from "../ports/transport.js";

/**
 * Who was never let in after so many attempts asks no more until the connection is new: the app may not export the
 * functions of sessions, and each attempt is an error in its log.
 */
const mostJoins = 5;

export interface SessionOptions {
  readonly calls: SessionTransport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** The name under which the server knows this database. */
  client(): string;
  /** How far scopes are stored; none: there is nothing to tell. */
  cursors(): readonly ScopeCursor[];
  isConnected(): boolean;
  onError(error: unknown): void;
}

/**
 * Tells the server that this device reads, and how far it has come: so that compaction waits for it, and the app's
 * health counts it. Nothing depends on it: what fails is told and tried again later, and reading goes on meanwhile.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #loop: Loop;
  /** Shown to nobody: with it the session is found again after its answer was lost. */
  readonly #tab: string;
  #session: string | null = null;
  #hasJoined = false;
  #isStopped = false;
  #failures = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#tab = options.randomness.id();
    this.#loop = new Loop(options.clock, () => this.#step());
  }

  /** There may be something to tell, or a way to tell it, that there was not. */
  wake(): void {
    if (this.#session === null && this.#failures === 0) this.#loop.wake();
  }

  /** The connection is back: what failed before may go well now. */
  onConnected(): void {
    this.#failures = 0;
    this.#loop.wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#loop.stop();
    this.#leave();
  }

  async #step(): Promise<number | null> {
    const { isConnected, randomness, onError } = this.#options;
    const cursors = this.#cursors();
    if (!isConnected()) return null;
    if (cursors.length === 0) {
      this.#leave();
      return null;
    }
    try {
      const waitMs = await this.#tell(cursors);
      this.#failures = 0;
      return waitMs;
    } catch (error) {
      this.#session = null; // it may be another user's now
      onError(error);
      this.#failures += 1;
      const isHopeless = !this.#hasJoined && this.#failures >= mostJoins;
      return isHopeless ? null : backoffMs(this.#failures, randomness.fraction());
    }
  }

  /** @returns after how many milliseconds to tell it again */
  async #tell(cursors: ScopeCursor[]): Promise<number> {
    const { calls, client } = this.#options;
    if (this.#session === null) {
      const joined = await calls.join({ client: client(), tab: this.#tab, cursors });
      this.#session = joined.session;
      this.#hasJoined = true;
      if (this.#isStopped) this.#leave();
      return joined.heartbeatMs;
    }
    const { type } = await calls.heartbeat({ session: this.#session, cursors });
    if (type === "alive") return limits.heartbeatMs;
    this.#session = null;
    return 0;
  }

  /** A session that is not left ends at its deadline: whether this arrives matters little. */
  #leave(): void {
    const session = this.#session;
    this.#session = null;
    if (session !== null && this.#options.isConnected())
      this.#options.calls.leave({ session }).catch((error: unknown) => this.#options.onError(error));
  }

  /** Those that moved last: where nothing moves nothing is compacted. */
  #cursors(): ScopeCursor[] {
    const newestFirst = [...this.#options.cursors()].sort((a, b) => (a.ts < b.ts ? 1 : a.ts > b.ts ? -1 : 0));
    return newestFirst.slice(0, limits.sessionCursors);
  }
}
