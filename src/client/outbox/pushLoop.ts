import type { AnyCollection } from "../../collections/index.js";
import { limits } from "../../shared/limits.js";
import type { PushResult } from "../../shared/wire.js";
import { backoffMs } from "../core/backoff.js";
import { classifyCallError, ReplicaError, toReplicaError } from "../base/errors.js";
import { Loop } from "../base/loop.js";
import type { Clock, Randomness } from "../ports/clock.js";
import type { AuthoredGroup, Commit } from "../ports/storage.js";
import type { Transport } from "../ports/transport.js";
import { emptyPublication, joinPublications, type Publication } from "../base/publication.js";
import { decideAnswer, rejectGroup, type AnswerSource, type SettleUnread } from "./answers.js";
import { authorWaiting, type AuthorDocument, type AuthoringSource } from "./authoring.js";

/** The leader's database, as the push loop uses it. */
export interface PushJournal extends AuthoringSource, AnswerSource {
  readonly client: string;
  refresh(): Promise<void>;
  announce(publication: Partial<Publication>): void;
  change(decide: () => { commit: Commit; publication: Publication } | null): Promise<void>;
}

export interface PushLoopOptions {
  readonly journal: PushJournal;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  readonly authorDocument: AuthorDocument;
  readonly settleUnread: SettleUnread;
  /** Whether now is the time: connected, and caught up, so that a later push wins over what it has seen. */
  isOpen(): boolean;
  /** The epoch of each collection that was pulled. */
  epochs(): Record<string, string>;
  onPushed(): void;
  /** The server is in another epoch than the one that was read. */
  onOtherEpoch(): void;
  /** Why pushes wait, or null once they no longer do. */
  onBlocked(error: ReplicaError | null): void;
  /** An error that ends the loop or will be tried again. */
  onError(error: unknown): void;
}

/** Waits this long after a write for others to go with it. */
const gatherMs = 50;
/** A transaction that stands on what the server lacks is authored again so many times. */
const mostGaps = 5;

/**
 * Takes transactions from the outbox to the server: author, store, send, take note of the answer, one push at a
 * time. Whatever is unanswered is sent again before anything new is authored.
 */
export class PushLoop {
  readonly #options: PushLoopOptions;
  readonly #loop: Loop;
  readonly #gaps = new Map<string, number>();
  #failures = 0;
  /** How many groups one push may carry: halved when a push is refused as a whole, to find out which one it is. */
  #mostGroups: number = limits.pushTransactions;

  constructor(options: PushLoopOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, () => this.#step());
  }

  /** Something was written. */
  gather(): void {
    this.#loop.wake(gatherMs);
  }

  /** The way is open, or what a retry waited for has changed. */
  wake(): void {
    this.#loop.wake();
  }

  stop(): void {
    this.#loop.stop();
  }

  async #step(): Promise<number | null> {
    const { journal, definitions, authorDocument, isOpen, onError } = this.#options;
    if (!isOpen()) return null;
    try {
      await journal.refresh();
      if (this.#unanswered().length === 0)
        await journal.change(() => authorWaiting(journal, definitions, authorDocument));
      const batch = this.#nextBatch();
      if (batch.length > 0) return await this.#send(batch);
      return journal.waiting().length > 0 ? 0 : null;
    } catch (error) {
      onError(error);
      return this.#backOff();
    }
  }

  #unanswered(): AuthoredGroup[] {
    return this.#options.journal.groups().filter((group) => !group.isAnswered);
  }

  #nextBatch(): AuthoredGroup[] {
    const batch: AuthoredGroup[] = [];
    let bytes = 0;
    for (const group of this.#unanswered().slice(0, this.#mostGroups)) {
      bytes += group.updates.reduce((sum, update) => sum + update.bytes.length, 0);
      if (batch.length > 0 && bytes > limits.pushBytes) break;
      batch.push(group);
    }
    return batch;
  }

  async #send(batch: readonly AuthoredGroup[]): Promise<number | null> {
    const { journal, transport, epochs } = this.#options;
    const ids = batch.flatMap((group) => group.transactions);
    journal.announce({ transactions: ids.map((id) => ({ id, phase: { type: "persisting" } })) });
    let result: PushResult;
    try {
      result = await transport.push({
        client: journal.client,
        epochs: epochs(),
        settledBelow: journal.outbox()[0]?.sequence ?? 0,
        transactions: batch.map(toWire),
      });
    } catch (error) {
      return this.#takeFault(error, batch);
    }
    return this.#takeResult(result);
  }

  async #takeResult(result: PushResult): Promise<number | null> {
    const { onPushed, onBlocked, journal } = this.#options;
    if (result.type === "refused") {
      onBlocked(blockedBy(result.reason));
      if (result.reason === "epoch") this.#options.onOtherEpoch();
      return this.#backOff();
    }
    this.#failures = 0;
    this.#mostGroups = limits.pushTransactions;
    onBlocked(null);
    await journal.refresh(); // what was written meanwhile fails with what it stands on
    await journal.change(() => this.#decideAnswers(result.results));
    onPushed();
    const gaps = result.results.flatMap((outcome) => (outcome.status === "gap" ? outcome.ids : []));
    const mostTries = Math.max(0, ...gaps.map((id) => this.#gaps.get(id) ?? 0));
    return mostTries === 0 ? 0 : this.#backOff(mostTries);
  }

  #decideAnswers(results: Extract<PushResult, { type: "results" }>["results"]) {
    const { journal, settleUnread, randomness } = this.#options;
    const steps = results.flatMap((outcome) => {
      if (outcome.status !== "gap") return decideAnswer(journal, outcome, settleUnread) ?? [];
      return this.#decideGap(outcome) ?? [];
    });
    if (steps.length === 0) return null;
    const { commit, publication } = steps.reduce((a, b) => ({
      commit: joinCommits(a.commit, b.commit),
      publication: joinPublications(a.publication, b.publication),
    }));
    // Bytes that are thrown away burn their author's clocks: another update under them would mean another thing.
    const isBurnt = results.some(({ status }) => status === "gap" || status === "rejected");
    return { commit: isBurnt ? { ...commit, author: randomness.author() } : commit, publication };
  }

  #decideGap(outcome: { readonly ids: readonly string[]; readonly status: "gap" }) {
    const { journal, settleUnread } = this.#options;
    const tries = Math.max(...outcome.ids.map((id) => (this.#gaps.get(id) ?? 0) + 1));
    for (const id of outcome.ids) this.#gaps.set(id, tries);
    const group = journal.groups().find((each) => each.transactions[0] === outcome.ids[0]);
    if (tries < mostGaps || group === undefined)
      return decideAnswer(journal, { ...outcome, ids: [...outcome.ids] }, settleUnread);
    for (const id of outcome.ids) this.#gaps.delete(id);
    return rejectGroup(journal, group, {
      code: "exists",
      message:
        "The server holds another history of this document than this device. Subscribe to its scope, then retry.",
    });
  }

  async #takeFault(error: unknown, batch: readonly AuthoredGroup[]): Promise<number | null> {
    const fault = classifyCallError(error);
    const { journal, onBlocked, onError, randomness } = this.#options;
    if (fault.type === "stop") {
      this.stop();
      onBlocked(toReplicaError(fault.refusal));
      return null;
    }
    if (fault.type === "retry") {
      onError(error);
      return this.#backOff();
    }
    const named = batch.filter(({ transactions }) =>
      fault.transactions?.some((id) => transactions.includes(id)),
    );
    const guilty = named.length > 0 ? named : batch.length === 1 ? batch : [];
    if (guilty.length === 0) {
      this.#mostGroups = Math.max(1, Math.floor(batch.length / 2));
      return 0;
    }
    const { code, message } = fault.refusal;
    await journal.refresh();
    await journal.change(() => {
      const steps = guilty.map((group) => rejectGroup(journal, group, { code, message }));
      return {
        commit: { ...steps.map((step) => step.commit).reduce(joinCommits), author: randomness.author() },
        publication: steps.map((step) => step.publication).reduce(joinPublications, emptyPublication),
      };
    });
    return 0;
  }

  #backOff(tries = ++this.#failures): number {
    return backoffMs(tries, this.#options.randomness.fraction());
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

function joinCommits(a: Commit, b: Commit): Commit {
  const join = <T>(x: readonly T[] | undefined, y: readonly T[] | undefined) => [...(x ?? []), ...(y ?? [])];
  return {
    documents: join(a.documents, b.documents),
    groups: join(a.groups, b.groups),
    removedGroups: join(a.removedGroups, b.removedGroups),
    outbox: join(a.outbox, b.outbox),
    removedOutbox: join(a.removedOutbox, b.removedOutbox),
  };
}
