import { CronRunner, keyOf, type CronState } from "../crons/cronRunner.js";
import type { CronSpec } from "../crons/cronSpecs.js";
import type { Transaction } from "../mvcc/transaction.js";
import type { Document } from "./engine.js";
import { uuidFrom } from "./environment.js";
import type { Unit } from "./execution.js";
import type { Host, TopLevelCall } from "./host.js";
import type { Report } from "./jobs.js";
import { runTopLevel } from "./topLevel.js";
import { inTransaction } from "./unit.js";
import { runUntilDone } from "./untilDone.js";

/** One document, with when each cron ran and runs next. */
const cronsTable = "_crons";
/** A document for each cron that is a mutation, with when the last of its runs that ended was due. */
const runsTable = "_cron_runs";

/**
 * Runs crons, and keeps when they ran.
 *
 * A mutation runs exactly once each time it is due: that its run has ended is written in its own transaction.
 * An action runs at most once: that it began is on disk before it begins.
 */
export class Crons {
  readonly #host: Host;
  readonly #report: Report;
  readonly #flushed: () => Promise<void>;
  readonly #runner: CronRunner;
  /** What is on record of all crons, as JSON. */
  #record = "[]";
  #keeping: Promise<void> = Promise.resolve();
  #isRestored = false;

  /** @param flushed resolves when all that was committed is on disk */
  constructor(
    host: Host,
    report: Report,
    flushed: () => Promise<void>,
    onError: (what: string, error: unknown) => void,
  ) {
    this.#host = host;
    this.#report = report;
    this.#flushed = flushed;
    this.#runner = new CronRunner({
      clock: host.clock,
      run: (spec, due) => this.#run(spec, due),
      onError: (spec, error) => onError(`Cron "${spec.name}" failed`, error),
      onChange: () => {
        this.#keeping = this.#keep().catch((error: unknown) =>
          onError("When crons ran could not be written down", error),
        );
      },
    });
  }

  /** Puts the crons of a push in the place of those before. */
  activate(specs: readonly CronSpec[]): void {
    if (!this.#isRestored) this.#restore();
    this.#isRestored = true;
    this.#runner.replace(specs);
    this.#runner.start();
  }

  stop(): void {
    this.#runner.stop();
  }

  #restore(): void {
    const [kept] = this.#documents(cronsTable);
    if (kept !== undefined) this.#record = kept["state"] as string;
    const states = JSON.parse(this.#record) as CronState[];
    const ended = new Map(this.#documents(runsTable).map(({ _id, due }) => [_id, due as number]));
    const lastRun = (cron: CronState) =>
      ended.get(keyOf(cron)) === cron.nextRun ? cron.nextRun : cron.lastRun;
    this.#runner.restore(states.map((cron) => ({ ...cron, lastRun: lastRun(cron) })));
  }

  #documents(table: string): Document[] {
    const { store, tables } = this.#host;
    return [...store.table(tables.key("", table)).documents(store.lastTs)];
  }

  async #run(spec: CronSpec, due: number): Promise<void> {
    await this.#keeping;
    const { component, functionPath, kind, args } = spec;
    const request = { requestId: uuidFrom(this.#host.random), job: null };
    const call = { kind, path: { component, name: functionPath }, args, identity: null, request } as const;
    const failure = await (kind === "action" ? this.#runAction(call) : this.#runMutation(call, spec, due));
    if (failure !== null) throw failure;
  }

  async #runAction(call: TopLevelCall) {
    await this.#flushed();
    const outcome = await runTopLevel(call, this.#host, null);
    const failure = outcome.ok ? null : outcome.error;
    this.#report(call, outcome, failure);
    return failure;
  }

  async #runMutation(call: TopLevelCall, spec: CronSpec, due: number) {
    const { cost, failure } = await runUntilDone(this.#host, call, {
      isDue: () => true,
      end: (transaction) => this.#write(transaction, runsTable, keyOf(spec), { due }),
    });
    this.#report(call, cost, failure);
    return failure;
  }

  /** One after the other, each as it is then. */
  async #keep(): Promise<void> {
    await this.#keeping;
    const state = JSON.stringify(this.#runner.state());
    if (state === this.#record) return;
    const work = async ({ transaction }: Unit) => this.#write(transaction, cronsTable, "all", { state });
    await inTransaction(this.#host, "_system", work, () => {});
    this.#record = state;
  }

  #write(transaction: Transaction, table: string, _id: string, fields: Document): void {
    const { tables, clock } = this.#host;
    const _creationTime = tables.nextCreationTime(clock.now());
    transaction.write(tables.key("", table), _id, { _id, _creationTime, ...fields });
  }
}
