import type { AnyCollection } from "../../collections/index.js";
import { limits } from "../../shared/limits.js";
import type { PushOutcome, PushResult } from "../../shared/wire.js";
import { authorAbove } from "../core/authorAbove.js";
import { backoffMs } from "../core/backoff.js";
import { gather, gatheringMs, type Gathering } from "../core/gathering.js";
import type { MergeRows } from "../core/rebase.js";
import { policyOf, type RetryPolicy } from "../core/retry.js";
import { remainingMs, type Wait } from "../core/waiting.js";
import { classifyCallError, ReplicaError, toReplicaError } from "../base/errors.js";
import { Loop } from "../base/loop.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { AuthoredGroup, OutboxEntry, StoredAttempt, StoredFailure } from "../ports/storage.js";
import type { Transport } from "../ports/transport.js";
import type { Publication } from "../base/publication.js";
import type { DocumentName } from "../base/tabMessages.js";
import { decideAnswers, isPutOff, rejectGroups, type AnswerSource } from "./answers.js";
import { faultsOf, lastAttempt, nextAttempt, waitingStep, withAttempts } from "./attempts.js";
import { authorWaiting, type AuthorDocument, type AuthoringSource } from "./authoring.js";
import { describeError, reactTo, type FailedCall, type Reaction } from "./reaction.js";
import { scheduleOf, type Schedule } from "./schedule.js";
import type { Step } from "./steps.js";

/** The leader's database, as the push loop uses it. */
export interface PushJournal extends AuthoringSource, AnswerSource {
  readonly client: string;
  refresh(): Promise<void>;
  announce(publication: Partial<Publication>): void;
  change(decide: () => Step | null): Promise<void>;
}

export interface PushLoopOptions {
  readonly journal: PushJournal;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  readonly authorDocument: AuthorDocument;
  /** Settles what was answered and no stream will bring back; null: there is nothing of that kind. */
  decideUnread(): Step | null;
  /** By collection. */
  readonly retries: ReadonlyMap<string, RetryPolicy>;
  /** By collection. */
  readonly merges: ReadonlyMap<string, MergeRows>;
  /** Whether now is the time: connected, and caught up, so that a later push wins over what it has seen. */
  isOpen(): boolean;
  /** The epoch of each collection that was pulled. */
  epochs(): Record<string, string>;
  onPushed(): void;
  /**
   * Answers are here. What was made of these documents stands on less than the server holds, or on more: it is made again on
   * what a stream brings.
   */
  onUnsure(documents: readonly DocumentName[]): void;
  /** The server is in another epoch than the one that was read. */
  onOtherEpoch(): void;
  /** Why pushes wait, or null once they no longer do. */
  onBlocked(error: ReplicaError | null): void;
  /** An error that ends the loop or will be tried again. */
  onError(error: unknown): void;
}

/** A transaction that stands on what the server lacks is authored again so many times. */
const mostGaps = 5;
/** Who is signed out is asked for no more seldom than this: signing in again is told to nobody. */
const mostBlockedMs = 30_000;

type Results = Extract<PushResult, { type: "results" }>;

/**
 * Takes transactions from the outbox to the server: author, store, send, take note of the answer, one push at a
 * time. What is unanswered and due is sent again before anything new is authored.
 *
 * A push that fails with an unknown error is followed by an empty one, which only a server that is well answers. If it
 * is not answered all pushes wait, without limit. If it is, the blame is on what was pushed: halves of it are sent until
 * one transaction stands alone, which is then tried a few times by itself while all others go on (I-15).
 */
export class PushLoop {
  readonly #options: PushLoopOptions;
  readonly #loop: Loop;
  readonly #gaps = new Map<string, number>();
  /** What was written and will be authored together; null: nothing since the last time. */
  #gathering: Gathering | null = null;
  #failures = 0;
  /** How many groups one push may carry: halved when a push fails as a whole, to find out which one it is. */
  #mostGroups: number = limits.pushTransactions;
  /** A server that has put us off is left alone. */
  #blocked: Wait = { since: 0, until: 0 };
  #reconnectedAt = -1;

  constructor(options: PushLoopOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, () => this.#step());
  }

  /** Something was written. */
  gather(): void {
    const now = this.#options.clock.now();
    this.#gathering = gather(this.#gathering, now);
    this.#loop.wake(gatheringMs(this.#gathering, now));
  }

  /** The way is open, or what a retry waited for has changed. */
  wake(): void {
    this.#blocked = { since: 0, until: 0 };
    this.#loop.wake();
  }

  /** A connection that was lost is back: what waited for the server is tried at once. */
  reconnected(): void {
    this.#reconnectedAt = this.#options.clock.now();
    this.wake();
  }

  stop(): void {
    this.#loop.stop();
  }

  async #step(): Promise<number | null> {
    const { journal, isOpen, onError, clock, decideUnread } = this.#options;
    if (!isOpen()) return null;
    try {
      const untilGatheredMs = gatheringMs(this.#gathering, clock.now());
      if (untilGatheredMs > 0 && this.#schedule().batch.length === 0) return untilGatheredMs;
      await journal.refresh();
      await journal.change(decideUnread);
      let schedule = this.#schedule();
      const pausedMs = Math.max(remainingMs(this.#blocked, clock.now()), schedule.pausedMs);
      if (pausedMs > 0) return pausedMs;
      const hasAuthored = schedule.batch.length === 0 && (await this.#author());
      if (hasAuthored) schedule = this.#schedule();
      if (schedule.batch.length > 0) return await this.#send(schedule.batch);
      if (hasAuthored && journal.waiting().length > 0) return 0;
      return schedule.nextDueMs;
    } catch (error) {
      onError(error);
      return backoffMs(++this.#failures, this.#options.randomness.fraction());
    }
  }

  #schedule(): Schedule {
    return scheduleOf(this.#options.journal, {
      now: this.#options.clock.now(),
      reconnectedAt: this.#reconnectedAt,
      mostGroups: this.#mostGroups,
    });
  }

  /** @returns whether anything came of it */
  async #author(): Promise<boolean> {
    const { journal, definitions, authorDocument, merges, clock, randomness } = this.#options;
    let isChanged = false;
    this.#gathering = null;
    await journal.change(() => {
      const step = authorWaiting(journal, {
        definitions,
        authorDocument,
        merges,
        freshAuthor: (authors) => authorAbove(authors, randomness.fraction()) ?? randomness.author(),
        now: clock.now(),
      });
      isChanged = step !== null;
      return step;
    });
    return isChanged;
  }

  #entriesOf(groups: readonly AuthoredGroup[]): OutboxEntry[] {
    const ids = new Set(groups.flatMap((group) => group.transactions));
    return this.#options.journal.outbox().filter(({ transaction }) => ids.has(transaction.id));
  }

  async #send(batch: readonly AuthoredGroup[]): Promise<number | null> {
    const { journal, clock } = this.#options;
    const ids = batch.flatMap((group) => group.transactions);
    journal.announce({ transactions: ids.map((id) => ({ id, phase: { type: "persisting" } })) });
    const startedAt = clock.now();
    let result: PushResult;
    try {
      result = await this.#push(batch);
    } catch (error) {
      return this.#takeFault(error, batch, startedAt);
    }
    if (result.type === "refused") return this.#takeRefusal(result.reason, batch);
    return this.#takeResults(result, startedAt);
  }

  #push(batch: readonly AuthoredGroup[]): Promise<PushResult> {
    const { journal, transport, epochs } = this.#options;
    return transport.push({
      client: journal.client,
      epochs: epochs(),
      settledBelow: journal.outbox()[0]?.sequence ?? 0,
      transactions: batch.map(toWire),
    });
  }

  /** Refused whole, for nothing that the transactions could help: they wait, however long it takes. */
  #takeRefusal(reason: "epoch" | "identity", batch: readonly AuthoredGroup[]): number {
    const { journal, clock, randomness, onBlocked, onOtherEpoch } = this.#options;
    onBlocked(blockedBy(reason));
    if (reason === "epoch") onOtherEpoch();
    journal.announce({ transactions: waitingStep(this.#entriesOf(batch)).publication.transactions });
    const delayMs = Math.min(mostBlockedMs, backoffMs(++this.#failures, randomness.fraction()));
    this.#blocked = { since: clock.now(), until: clock.now() + delayMs };
    return delayMs;
  }

  async #takeResults({ results, ts }: Results, startedAt: number): Promise<number | null> {
    const { onPushed, onBlocked, onUnsure, journal } = this.#options;
    this.#failures = 0;
    this.#mostGroups = limits.pushTransactions;
    onBlocked(null);
    await journal.refresh(); // what was written meanwhile fails with what it stands on
    const open = new Set(results.flatMap(({ ids, status }) => (status === "gap" ? ids : [])));
    const groups = journal.groups().filter(({ transactions }) => transactions.some((id) => open.has(id)));
    await journal.change(() => this.#decideAnswers(results, ts as unknown as bigint, startedAt));
    onUnsure(
      groups.flatMap(({ updates }) => updates.map(({ collection, document: id }) => ({ collection, id }))),
    );
    onPushed();
    return 0;
  }

  #decideAnswers(results: readonly PushOutcome[], ts: bigint, startedAt: number) {
    const { journal, randomness, clock } = this.#options;
    const step = decideAnswers(journal, results, (ids) => this.#giveUpGap(ids), ts);
    if (step === null) return null;
    const ended = { startedAt, endedAt: clock.now() };
    const byId = new Map(journal.outbox().map((entry) => [entry.transaction.id, entry]));
    const attempts = results.flatMap(({ ids, ...outcome }) =>
      ids.flatMap((id): [string, StoredAttempt][] => {
        const entry = byId.get(id);
        if (isPutOff({ ids, ...outcome })) {
          const tries = ((entry && lastAttempt(entry)?.tries) ?? 0) + 1;
          const nextRetryAt = clock.now() + backoffMs(tries, randomness.fraction());
          const error = describeError(outcome);
          return [[id, nextAttempt(entry, { ...ended, error, nextRetryAt, faults: 0 })]];
        }
        if (outcome.status === "rejected")
          return [[id, nextAttempt(entry, { ...ended, error: describeError(outcome) })]];
        if (outcome.status !== "gap") return [];
        const tries = this.#gaps.get(id) ?? mostGaps;
        const nextRetryAt = clock.now() + backoffMs(tries, randomness.fraction());
        const error = { message: "The change stands on what the server does not hold; it is made again." };
        return [[id, nextAttempt(entry, { ...ended, error, nextRetryAt, faults: tries })]];
      }),
    );
    const noted = withAttempts(step, new Map(attempts), journal.outbox());
    // Bytes that are thrown away burn their author's clocks: another update under them would mean another thing.
    const isBurnt = results.some(({ status }) => status === "gap" || status === "rejected");
    return isBurnt ? { ...noted, commit: { ...noted.commit, author: randomness.author() } } : noted;
  }

  #giveUpGap(ids: readonly string[]): StoredFailure | null {
    const tries = Math.max(...ids.map((id) => (this.#gaps.get(id) ?? 0) + 1));
    for (const id of ids) this.#gaps.set(id, tries);
    if (tries < mostGaps) return null;
    for (const id of ids) this.#gaps.delete(id);
    return {
      code: "exists",
      message:
        "The server holds another history of this document than this device. Subscribe to its scope, then retry.",
    };
  }

  async #takeFault(
    error: unknown,
    batch: readonly AuthoredGroup[],
    startedAt: number,
  ): Promise<number | null> {
    const { journal, onBlocked, onError, randomness, clock, retries } = this.#options;
    const fault = classifyCallError(error);
    if (fault.type === "stop") {
      this.stop();
      onBlocked(toReplicaError(fault.refusal));
      return null;
    }
    if (fault.type === "retry") onError(error);
    const endedAt = clock.now();
    const collections = batch.flatMap(({ updates }) => updates.map(({ collection }) => collection));
    const reaction = this.#react({
      fault,
      batch,
      isServerWell: fault.type === "refused" || (await this.#isServerWell()),
      faults: faultsOf(this.#entriesOf(batch)),
      policy: policyOf(retries, collections),
      fraction: randomness.fraction(),
    });
    if (reaction.type === "halve") this.#mostGroups = Math.max(1, Math.floor(batch.length / 2));
    await journal.refresh();
    await journal.change(() => this.#decideReaction(reaction, batch, { startedAt, endedAt, error }));
    return 0;
  }

  /** An app's own policy that throws is told, and the default one takes its place: the others are not to wait for it. */
  #react(call: FailedCall): Reaction {
    try {
      return reactTo(call);
    } catch (error) {
      this.#options.onError(error);
      return reactTo({ ...call, policy: {} });
    }
  }

  #decideReaction(
    reaction: Reaction,
    batch: readonly AuthoredGroup[],
    { error, ...ended }: { readonly startedAt: number; readonly endedAt: number; readonly error: unknown },
  ) {
    const { journal, randomness, clock } = this.#options;
    const groups = reaction.type === "reject" ? reaction.groups : batch;
    const entries = this.#entriesOf(groups);
    const tries = Math.max(0, ...entries.map((entry) => lastAttempt(entry)?.tries ?? 0)) + 1;
    const delayMs =
      reaction.type === "again"
        ? reaction.delayMs
        : reaction.type === "pause"
          ? backoffMs(tries, randomness.fraction())
          : null;
    const attempts = entries.map((entry): [string, StoredAttempt] => [
      entry.transaction.id,
      nextAttempt(entry, {
        ...ended,
        error: describeError(error),
        ...(delayMs === null ? {} : { nextRetryAt: clock.now() + delayMs }),
        ...(reaction.type === "again" ? { faults: reaction.faults } : {}),
      }),
    ]);
    const rest = this.#entriesOf(batch.filter((group) => !groups.includes(group)));
    if (reaction.type !== "reject")
      return withAttempts(waitingStep(entries), new Map(attempts), journal.outbox());
    const { failure } = reaction;
    const step = rejectGroups(
      journal,
      groups.map((group) => ({ group, failure })),
    );
    const { commit, publication } = withAttempts(step, new Map(attempts), journal.outbox());
    return {
      commit: { ...commit, author: randomness.author() },
      publication: {
        ...publication,
        transactions: [...publication.transactions, ...waitingStep(rest).publication.transactions],
      },
    };
  }

  /** Whether the server answers a push that holds nothing: what else fails is the fault of what it holds. */
  async #isServerWell(): Promise<boolean> {
    try {
      const result = await this.#push([]);
      return result.type === "results";
    } catch (error) {
      this.#options.onError(error);
      return false;
    }
  }
}

function toWire({ transactions, sequence, updates }: AuthoredGroup) {
  return {
    ids: [...transactions],
    sequence,
    operations: updates.map(({ collection, document, schemaVersion, bytes }) => ({
      collection,
      document,
      part: "",
      schemaVersion,
      bytes: bytes.slice().buffer,
    })),
  };
}

function blockedBy(reason: "epoch" | "identity"): ReplicaError {
  return reason === "identity"
    ? new ReplicaError("denied", "Your writes wait until you are signed in again.")
    : new ReplicaError("denied", "Your writes wait until this device has read the server's restored data.");
}
