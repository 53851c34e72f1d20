import type { CallResult } from "../engine/engine.js";

/** How many are remembered: a client asks again for no more than it has outstanding. */
const mostKept = 10_000;

/** What mutations came to, by session and request: one that is sent again is not run again, though it runs still. */
export class Answers {
  readonly #kept = new Map<string, Promise<CallResult>>();

  async once(sessionId: string, requestId: number, run: () => Promise<CallResult>): Promise<CallResult> {
    const key = `${sessionId} ${requestId}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const running = run();
    this.#kept.set(key, running);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
    const result = await running;
    if (!result.ok && result.isConflict) this.#kept.delete(key); // it had no effect, and is to be tried again
    return result;
  }
}
