import { convexToJson, type Value } from "convex/values";
import type { Cost, Document } from "./engine.js";
import { createOrderedMap } from "../mvcc/btree.js";
import { compareKeys, type IndexKey } from "../mvcc/indexKey.js";
import type { Commit } from "../mvcc/versionedStore.js";
import { stateOf } from "./callSyscalls.js";
import { uuidFrom } from "./environment.js";
import type { Host, TopLevelCall } from "./host.js";
import { scheduledFunctions, targetOf } from "./systemTables.js";
import type { FunctionError, Job } from "./execution.js";
import { runTopLevel } from "./topLevel.js";
import { inTransaction } from "./unit.js";
import { runUntilDone } from "./untilDone.js";

/** How many run at once, as on a small deployment. */
const mostAtOnce = 10;
const keptMs = 7 * 24 * 60 * 60 * 1000;

/** Is told what was run, what it came to, and why it failed. */
export type Report = (
  call: TopLevelCall,
  cost: Cost & { readonly logLines: readonly string[] },
  failure: FunctionError | null,
) => void;

/**
 * Runs what `ctx.scheduler` has written down, once that is committed and its time has come.
 *
 *     pending --> success | failed                 a mutation: in one transaction, so exactly once
 *     pending --> inProgress --> success | failed  an action: at most once; a restart fails what is in progress
 *     pending, inProgress --> canceled
 */
export class Jobs {
  readonly #host: Host;
  readonly #report: Report;
  readonly #onError: (error: unknown) => void;
  /** Pending ones by time, then by id. */
  readonly #due = createOrderedMap<IndexKey, Job>(compareKeys);
  readonly #running = new Set<Promise<void>>();
  #cancelTimer = () => {};
  #isStarted = false;

  /** @param onError is told why a job could not be run, or what it did not be written down: it stays as it was */
  constructor(host: Host, report: Report, onError: (error: unknown) => void) {
    this.#host = host;
    this.#report = report;
    this.#onError = onError;
  }

  /** Goes on with what was there before; to be called once there is code to run. */
  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    await this.#recover();
    this.#runDue();
  }

  stop(): void {
    this.#isStarted = false;
    this.#cancelTimer();
  }

  noteCommit({ writes }: Commit): void {
    let isAny = false;
    for (const { table, id, before, after } of writes) {
      if (!isJobTable(table)) continue;
      isAny = true;
      if (before !== null) this.#due.delete(keyOf(before));
      if (after !== null && stateOf(after) === "pending") this.#due.set(keyOf(after), { table, id });
    }
    if (isAny) this.#runDue();
  }

  /** Until nothing is due and nothing runs. */
  async settled(): Promise<void> {
    while (this.#running.size > 0 || this.#nextTime() <= this.#host.clock.now()) {
      if (this.#running.size > 0) await Promise.race(this.#running);
      else await this.#host.sleep(0);
    }
  }

  /** All that is scheduled, from what an earlier life has left. */
  async #recover(): Promise<void> {
    const { store, clock } = this.#host;
    const left = [...store.tables].flatMap(([table, versions]) =>
      isJobTable(table) ? [...versions.documents(store.lastTs)].map((document) => ({ table, document })) : [],
    );
    const jobs = left.map(({ table, document }) => ({
      document,
      job: { table, id: document["_id"] as string },
    }));
    // All at once: from the first wait on, others schedule, run and cancel too.
    for (const { job, document } of jobs)
      if (stateOf(document) === "pending") this.#due.set(keyOf(document), job);
    for (const { job, document } of jobs) {
      if (stateOf(document) === "inProgress") await this.#finish(job, brokenOff);
      if (((document["completedTime"] as number | undefined) ?? Infinity) < clock.now() - keptMs)
        await this.#change(job, () => null);
    }
  }

  #nextTime(): number {
    return (this.#due.minKey()?.[0] as number | undefined) ?? Infinity;
  }

  #runDue(): void {
    if (!this.#isStarted) return;
    this.#cancelTimer();
    while (this.#running.size < mostAtOnce && this.#nextTime() <= this.#host.clock.now()) {
      const key = this.#due.minKey()!;
      const job = this.#due.get(key)!;
      this.#due.delete(key);
      const running = this.#run(job)
        .catch(this.#onError)
        .finally(() => {
          this.#running.delete(running);
          this.#runDue();
        });
      this.#running.add(running);
    }
    if (this.#running.size < mostAtOnce && this.#due.size > 0)
      this.#cancelTimer = this.#host.clock.at(this.#nextTime(), () => this.#runDue());
  }

  async #run(job: Job): Promise<void> {
    const document = this.#host.store.table(job.table).get(job.id, this.#host.store.lastTs);
    if (document === null) return;
    const kind = this.#host.functions.find(targetOf(document))?.kind ?? "mutation";
    const call = callOf(job, document, kind, uuidFrom(this.#host.random));
    await (kind === "action" ? this.#runAction(job, call) : this.#runMutation(job, call));
  }

  async #runMutation({ table, id }: Job, call: TopLevelCall): Promise<void> {
    const { cost, failure } = await runUntilDone(this.#host, call, {
      isDue: (transaction) => {
        const document = transaction.get(table, id);
        return document !== null && stateOf(document) === "pending";
      },
      end: (transaction, error) => {
        const state = error === null ? { kind: "success" } : { kind: "failed", error: error.message };
        const completedTime = this.#host.clock.now();
        transaction.write(table, id, { ...transaction.get(table, id), state, completedTime });
      },
    });
    this.#report(call, cost, failure);
  }

  async #runAction(job: Job, call: TopLevelCall): Promise<void> {
    const begun = await this.#change(job, (document) =>
      stateOf(document) === "pending" ? { ...document, state: { kind: "inProgress" } } : undefined,
    );
    if (!begun) return;
    const outcome = await runTopLevel(call, this.#host, null);
    const failure = outcome.ok ? null : outcome.error;
    await this.#finish(
      job,
      failure === null ? { kind: "success" } : { kind: "failed", error: failure.message },
    );
    this.#report(call, outcome, failure);
  }

  async #finish(job: Job, state: Record<string, Value>): Promise<void> {
    await this.#change(job, (document) =>
      stateOf(document) === "inProgress"
        ? { ...document, state, completedTime: this.#host.clock.now() }
        : undefined,
    );
  }

  /** @returns whether there was something to change */
  async #change(
    { table, id }: Job,
    change: (document: Document) => Document | null | undefined,
  ): Promise<boolean> {
    const { value } = await inTransaction(
      this.#host,
      "_system",
      async ({ transaction }) => {
        const document = transaction.get(table, id);
        const changed = document === null ? undefined : change(document);
        if (changed === undefined) return false;
        transaction.write(table, id, changed);
        return true;
      },
      () => {},
    );
    return value;
  }
}

const brokenOff = { kind: "failed", error: "Transient error while executing action" };

function isJobTable(table: string): boolean {
  return table.endsWith(`:${scheduledFunctions}`);
}

function keyOf(job: Document): IndexKey {
  return [job["scheduledTime"], job["_id"]];
}

function callOf(job: Job, document: Document, kind: TopLevelCall["kind"], requestId: string): TopLevelCall {
  const [args = {}] = document["args"] as Value[];
  return {
    kind,
    path: targetOf(document),
    args: convexToJson(args),
    identity: null,
    request: { requestId, job },
  };
}
