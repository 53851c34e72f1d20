import type { ServerMessage } from "./syncProtocol.js";

/** How many are remembered: a client asks again for no more than it has outstanding. */
const mostKept = 10_000;

/** Answers to mutations by session and request: one that is sent again is not run again, though it runs still. */
export class Answers {
  readonly #kept = new Map<string, Promise<ServerMessage>>();

  once(sessionId: string, requestId: number, run: () => Promise<ServerMessage>): Promise<ServerMessage> {
    const key = `${sessionId} ${requestId}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const answer = run();
    this.#kept.set(key, answer);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
    return answer;
  }
}
