import type { FunctionReference } from "convex/server";
import { convexToJson, type Value } from "convex/values";
import { getFunctionName } from "convex/server";
import type { SeededRandom } from "../random.js";
import type { Backend } from "./backend.js";
import type { Timeline } from "./timeline.js";

/** What a function came to, as it crosses the wire. */
export type Outcome =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: Error };

/** What is seen of the server from outside. */
export interface ServerObserver {
  onQuery(args: object, user: string | null, outcome: Outcome): void;
  /** In the instant in which a function has ended that may have written. */
  onMutation(args: object, user: string | null, outcome: Outcome): void;
}

export interface WatchRequest {
  readonly query: FunctionReference<"query">;
  readonly args: object;
}

/** One socket as the server has it. */
export interface Session {
  readonly watches: Map<number, WatchRequest & { answered: string | null }>;
  user(): string | null;
  send(results: readonly { readonly watch: number; readonly outcome: Outcome }[]): void;
}

/**
 * A deployment as clients meet it: watched queries are answered anew, all of one client's at one instant, when
 * something was written; equal questions of one user share one execution.
 */
export class Server {
  readonly backend: Backend;
  readonly #timeline: Timeline;
  readonly #random: SeededRandom;
  readonly #observer: ServerObserver;
  readonly #sessions = new Set<Session>();
  readonly #due = new Set<Session>();
  #cache = new Map<string, Outcome>();

  constructor(backend: Backend, timeline: Timeline, random: SeededRandom, observer: ServerObserver) {
    this.backend = backend;
    this.#timeline = timeline;
    this.#random = random;
    this.#observer = observer;
  }

  join(session: Session): void {
    this.#sessions.add(session);
  }

  leave(session: Session): void {
    this.#sessions.delete(session);
  }

  /** Something may have been written, or may be read by others than before. */
  noteChange(): void {
    this.#cache = new Map();
    for (const session of this.#sessions) this.answerSoon(session);
  }

  answerSoon(session: Session): void {
    if (this.#due.has(session)) return;
    this.#due.add(session);
    this.#timeline.after(this.#random.below(20), () => {
      this.#due.delete(session);
      if (this.#sessions.has(session)) void this.answer(session);
    });
  }

  /** Answers all of a client's watched queries whose result is another one than it was told. */
  async answer(session: Session): Promise<void> {
    const user = session.user();
    const results: { watch: number; outcome: Outcome }[] = [];
    for (const [watch, request] of [...session.watches]) {
      const outcome = await this.#query(request, user);
      const json = outcome.ok
        ? JSON.stringify(convexToJson(outcome.value as Value))
        : `! ${outcome.error.message}`;
      if (json === request.answered) continue;
      request.answered = json;
      results.push({ watch, outcome: copyOf(outcome) });
    }
    if (results.length > 0) session.send(results);
  }

  async mutate(mutation: FunctionReference<"mutation">, args: object, user: string | null): Promise<Outcome> {
    const outcome = await settle(this.backend.mutation(mutation, structuredClone(args), user));
    this.#observer.onMutation(args, user, outcome);
    return outcome;
  }

  async #query({ query, args }: WatchRequest, user: string | null): Promise<Outcome> {
    const key = JSON.stringify([getFunctionName(query), convexToJson(args as Value), user]);
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const cache = this.#cache;
    const outcome = await settle(this.backend.query(query, structuredClone(args), user));
    cache.set(key, outcome);
    this.#observer.onQuery(args, user, outcome);
    return outcome;
  }
}

/** Nobody may keep an object of the other side. An error stays the one it is: a clone would lose its code. */
export function copyOf(outcome: Outcome): Outcome {
  return outcome.ok ? { ok: true, value: structuredClone(outcome.value) } : outcome;
}

function settle(call: Promise<unknown>): Promise<Outcome> {
  return call.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error: error as Error }),
  );
}
