import { planPush } from "../core/plan.js";
import { judgeTry, type RetryPolicy } from "../core/retry.js";
import { Loop } from "../base/loop.js";
import { NonRetriableError, type Persister, type PersistRequest } from "../base/persistence.js";
import type { TransactionStrategy } from "../base/types.js";
import { toShownRow, type Publication } from "../base/publication.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { Commit, OutboxEntry, StoredDocument, StoredFailure } from "../ports/storage.js";
import { lastAttempt, nextAttempt, waitingStep, waitMs, withAttempts } from "./attempts.js";
import { completedPublication, failAll, toQueued } from "./authoring.js";
import type { PushJournal } from "./pushLoop.js";
import { describeError, givenUp } from "./reaction.js";

export interface PersistLoopOptions {
  /** The part of the outbox that these collections' transactions are. */
  readonly journal: PushJournal;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** By collection. */
  readonly persisters: ReadonlyMap<string, Persister>;
  readonly retries: ReadonlyMap<string, RetryPolicy>;
  /** What a transaction makes of the confirmed rows; none where the stream brings them. */
  settle(entry: OutboxEntry): readonly StoredDocument[];
  onError(error: unknown): void;
}

/** How many transactions are handed over at a time. */
const mostAtOnce = 6;

/**
 * Hands transactions of collections with their own `persist` over: those without a common document side by side, those
 * with one in order, each until it is persisted and has come back, or fails. Its states and stored attempts are those
 * of a push. What is under way is stored before it begins, so that whoever takes over counts it as an attempt.
 *
 * Without `retry.attempts` it is tried without limit: an HTTP call that fails for want of a network looks like any other.
 */
export class PersistLoop {
  readonly #options: PersistLoopOptions;
  readonly #loop: Loop;
  readonly #ended = new AbortController();
  readonly #underWay = new Map<string, OutboxEntry>();

  constructor(options: PersistLoopOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, () => this.#step());
  }

  wake(): void {
    this.#loop.wake();
  }

  stop(): void {
    this.#loop.stop();
    this.#ended.abort();
  }

  async #step(): Promise<number | null> {
    const { journal, clock, onError } = this.#options;
    try {
      await journal.refresh();
    } catch (error) {
      onError(error);
      return 1000;
    }
    const now = clock.now();
    const queue = journal
      .waiting()
      .filter(({ transaction }) => !this.#underWay.has(transaction.id))
      .map((entry) => ({ ...toQueued(entry), isSingle: false, isDeferred: waitMs(entry, now) > 0 }));
    const blocked = new Set([...this.#underWay.values()].flatMap((entry) => toQueued(entry).documents));
    const room = mostAtOnce - this.#underWay.size;
    const most = { groups: room, updates: Infinity, transactions: room };
    const plan = room > 0 ? planPush(queue, most, blocked) : [];
    for (const { entry } of plan.flatMap(({ transactions }) => transactions)) {
      this.#underWay.set(entry.transaction.id, entry);
      void this.#handOver(entry);
    }
    const times = queue.filter(({ isDeferred }) => isDeferred).map(({ entry }) => waitMs(entry, now));
    return times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b));
  }

  async #handOver(entry: OutboxEntry): Promise<void> {
    const { clock, onError } = this.#options;
    const startedAt = clock.now();
    try {
      const begun = await this.#begin(entry);
      if (begun === null) return;
      const { persister, request } = begun;
      try {
        if (entry.transaction.isPersisted !== true) {
          await persister.persist(request);
          await this.#notePersisted(entry.transaction.id);
        }
        await persister.awaitSync?.(request);
      } catch (error) {
        if (!this.#ended.signal.aborted) await this.#takeFault(entry.transaction.id, error, startedAt);
        return;
      }
      await this.#complete(entry.transaction.id);
    } catch (error) {
      onError(error); // of the database, which the next attempt meets again
    } finally {
      this.#underWay.delete(entry.transaction.id);
      this.#loop.wake();
    }
  }

  /** @returns null if it is gone meanwhile */
  async #begin(entry: OutboxEntry): Promise<{ persister: Persister; request: PersistRequest } | null> {
    const { persisters } = this.#options;
    const { id, createdAt, metadata, changes, isPersisted } = entry.transaction;
    const strategy: TransactionStrategy = entry.transaction.strategy ?? "ordered";
    const persister = persisters.get(changes[0]?.collection ?? "");
    if (persister === undefined) return null;
    let attempt = 0;
    await this.#change(id, (found) => {
      attempt = (found.transaction.persistTries ?? 0) + 1;
      const transaction = { ...found.transaction, persistTries: attempt };
      const phase = { type: isPersisted ? "persisted_awaiting_sync" : "persisting" } as const;
      return stepOf({ ...found, transaction }, { transactions: [{ id, phase }] });
    });
    if (attempt === 0 || this.#ended.signal.aborted) return null;
    const transaction = { id, createdAt, metadata, strategy };
    return { persister, request: { transaction, changes, attempt, signal: this.#ended.signal } };
  }

  async #notePersisted(id: string): Promise<void> {
    await this.#change(id, (found) =>
      stepOf(
        { ...found, transaction: { ...found.transaction, isPersisted: true } },
        { transactions: [{ id, phase: { type: "persisted_awaiting_sync" } }] },
      ),
    );
  }

  async #complete(id: string): Promise<void> {
    await this.#change(id, (found) => {
      const documents = this.#options.settle(found);
      const rows = documents.map(toShownRow);
      return {
        commit: { documents, removedOutbox: [found.sequence] },
        publication: { ...completedPublication([found]), rows },
      };
    });
  }

  async #takeFault(id: string, error: unknown, startedAt: number): Promise<void> {
    const { journal, clock, onError } = this.#options;
    if (!(error instanceof NonRetriableError)) onError(error);
    await this.#change(id, (found) => {
      const verdict = this.#judge(found, error);
      const attempt = nextAttempt(found, {
        startedAt,
        endedAt: clock.now(),
        error: describeError(error),
        ...("failure" in verdict
          ? {}
          : { faults: verdict.faults, nextRetryAt: clock.now() + verdict.delayMs }),
      });
      const step =
        "failure" in verdict
          ? stepOfFailure(
              failAll([{ entries: [found], failure: verdict.failure }], journal.waiting().map(toQueued)),
            )
          : waitingStep([found]);
      return withAttempts(step, new Map([[id, attempt]]), journal.outbox());
    });
  }

  /** What is persisted is applied: that it is not seen to come back is no reason to fail it. */
  #judge(
    entry: OutboxEntry,
    error: unknown,
  ): { readonly delayMs: number; readonly faults: number } | { readonly failure: StoredFailure } {
    const { retries, randomness, onError } = this.#options;
    const { changes, isPersisted } = entry.transaction;
    const faults = lastAttempt(entry)?.faults ?? 0;
    if (error instanceof NonRetriableError && isPersisted !== true)
      return { failure: { code: "denied", message: error.message } };
    const policy = retries.get(changes[0]?.collection ?? "") ?? {};
    const fraction = randomness.fraction();
    let verdict;
    try {
      verdict = judgeTry({ attempts: Infinity, ...policy }, error, faults, fraction);
    } catch (thrown) {
      onError(thrown);
      verdict = judgeTry({ attempts: Infinity }, error, faults, fraction);
    }
    if (verdict.type === "again") return verdict;
    if (isPersisted !== true) return { failure: givenUp(error, faults + 1) };
    return judgeTry({ attempts: Infinity }, error, faults, fraction) as { delayMs: number; faults: number };
  }

  /** Decides on the transaction as it is stored by then, if it is still there. */
  async #change(
    id: string,
    decide: (found: OutboxEntry) => { commit: Commit; publication: Publication },
  ): Promise<void> {
    const { journal } = this.#options;
    await journal.refresh();
    await journal.change(() => {
      const found = journal.outbox().find(({ transaction }) => transaction.id === id);
      return this.#ended.signal.aborted || found === undefined || found.transaction.failure
        ? null
        : decide(found);
    });
  }
}

function stepOf(entry: OutboxEntry, publication: Pick<Publication, "transactions">) {
  return { commit: { outbox: [entry] }, publication: { rows: [], covered: [], ...publication } };
}

function stepOfFailure({ outbox, publication }: { outbox: OutboxEntry[]; publication: Publication }) {
  return { commit: { outbox }, publication };
}
