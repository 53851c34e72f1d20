import { createDeferred } from "../base/deferred.js";
import { ReplicaError, toReplicaError } from "../base/errors.js";
import { Emitter } from "../base/events.js";
import type { StoredAttempt, StoredChange, StoredTransaction } from "../ports/storage.js";
import type { Phase } from "../base/publication.js";
import type { Attempt, Transaction, TransactionState } from "../base/types.js";

/** What a transaction asks of the registry that holds it. */
export interface TransactionHost {
  /** Whether it waits for earlier unfinished transactions. */
  isQueued(transaction: LocalTransaction): boolean;
  /** The ids of these. */
  queuedBehind(transaction: LocalTransaction): string[];
  retry(transaction: LocalTransaction): Transaction;
  discard(transaction: LocalTransaction): void;
}

/** A transaction as one tab knows it, made here or read from the outbox. */
export class LocalTransaction implements Transaction {
  readonly stored: StoredTransaction;
  readonly #host: TransactionHost;
  readonly #changed = new Emitter();
  readonly #durable = createDeferred();
  readonly #confirmed = createDeferred();
  readonly #finished = createDeferred();
  /** The documents (see `keyOf`) whose confirmed row contains its operations. */
  readonly #covered = new Set<string>();
  #sequence: number | null = null;
  #phase: Phase | { readonly type: "discarded" } = { type: "waiting" };
  #attempts: readonly Attempt[];
  /** What listeners were told last. */
  #told: { readonly state: TransactionState; readonly attempts: readonly Attempt[] } | null = null;

  constructor(stored: StoredTransaction, host: TransactionHost) {
    this.stored = stored;
    this.#host = host;
    this.#attempts = (stored.attempts ?? []).map(toAttempt);
  }

  get id(): string {
    return this.stored.id;
  }

  get changes(): readonly StoredChange[] {
    return this.stored.changes;
  }

  get metadata(): Readonly<Record<string, unknown>> {
    return this.stored.metadata;
  }

  get createdAt(): number {
    return this.stored.createdAt;
  }

  /** Its place in the outbox; null while it is not durable. */
  get sequence(): number | null {
    return this.#sequence;
  }

  get phase(): (Phase | { readonly type: "discarded" })["type"] {
    return this.#phase.type;
  }

  get state(): TransactionState {
    if (this.#phase.type !== "waiting") return this.#phase.type;
    return this.#host.isQueued(this) ? "queued" : "pending";
  }

  get attempts(): readonly Attempt[] {
    return this.#attempts;
  }

  get queuedBehind(): readonly string[] {
    return this.#phase.type === "waiting" ? this.#host.queuedBehind(this) : [];
  }

  get strategy(): "ordered" | "parallel" {
    return this.stored.strategy ?? "ordered";
  }

  get isUnfinished(): boolean {
    const { type } = this.#phase;
    return type !== "completed" && type !== "failed" && type !== "discarded";
  }

  get error(): ReplicaError | undefined {
    return this.#phase.type === "failed" ? toReplicaError(this.#phase.failure) : undefined;
  }

  get durable(): Promise<void> {
    return this.#durable.promise;
  }

  get confirmed(): Promise<void> {
    return this.#confirmed.promise;
  }

  /** Resolves once it is completed, failed or discarded. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Whether its operations on the document are part of what is shown beside the confirmed row. */
  isOverlaid(documentKey: string): boolean {
    return this.isUnfinished && !this.#covered.has(documentKey);
  }

  cover(documentKey: string): void {
    this.#covered.add(documentKey);
  }

  becomeDurable(sequence: number): void {
    this.#sequence = sequence;
    this.#durable.resolve();
  }

  /** It could not be stored: it is listed as failed for as long as this tab lives. */
  failToStore(error: ReplicaError): void {
    this.#durable.reject(error);
    this.enter({ type: "failed", failure: { code: error.code, message: error.message } });
  }

  enter(phase: Phase | { readonly type: "discarded" }): void {
    if (!this.isUnfinished && phase.type !== "discarded") return;
    this.#phase = phase;
    if (phase.type === "waiting") this.#covered.clear(); // to be authored anew: no row contains any of it
    if (phase.type === "persisted_awaiting_sync" || phase.type === "completed") this.#confirmed.resolve();
    if (phase.type === "failed") this.#confirmed.reject(toReplicaError(phase.failure));
    if (phase.type === "discarded")
      this.#confirmed.reject(new ReplicaError("closed", `Transaction "${this.id}" was discarded.`));
    if (!this.isUnfinished) this.#finished.resolve();
  }

  /** All attempts that are remembered now. */
  noteAttempts(attempts: readonly StoredAttempt[]): void {
    this.#attempts = attempts.map(toAttempt);
  }

  /** Whether its listeners do not know yet where it stands: it may have moved because others have. */
  get isOtherThanTold(): boolean {
    return this.state !== this.#told?.state || this.#attempts !== this.#told.attempts;
  }

  /** Calls its listeners, if there is something to tell. */
  tell(): void {
    if (!this.isOtherThanTold) return;
    this.#told = { state: this.state, attempts: this.#attempts };
    this.#changed.emit();
  }

  retry(): Transaction {
    this.#assertFailed("retry");
    return this.#host.retry(this);
  }

  discard(): void {
    this.#assertFailed("discard");
    this.#host.discard(this);
  }

  subscribe(listener: () => void): () => void {
    return this.#changed.on(listener);
  }

  #assertFailed(action: string): void {
    if (this.#phase.type === "failed") return;
    throw new ReplicaError(
      "invalid_row",
      `Only a failed transaction can ${action}; "${this.id}" is ${this.state}.`,
    );
  }
}

function toAttempt({ startedAt, endedAt, error, nextRetryAt }: StoredAttempt): Attempt {
  return {
    startedAt,
    endedAt,
    error,
    ...(nextRetryAt === undefined ? {} : { nextRetryAt }),
  };
}
