import { ConflictError, type Commit } from "../mvcc/versionedStore.js";
import { Transaction } from "../mvcc/transaction.js";
import { FunctionError, type Request, type TransactionExecution, type Unit } from "./execution.js";
import type { FunctionPath } from "./functions.js";
import type { Host } from "./host.js";
import { backoffMs } from "./retry.js";

/** A transaction that has ended. */
export interface Ended<T> {
  readonly value: T;
  /** null: nothing was written. */
  readonly commit: Commit | null;
  readonly unit: Unit;
}

/** A mutation that conflicted, and at each retry conflicted again. */
export class OccError extends FunctionError {
  constructor({ write, commit }: ConflictError, source: string) {
    const table = write.table.slice(write.table.indexOf(":") + 1);
    const writer =
      commit.source === source ? "Another call to this mutation" : `A call to "${commit.source}"`;
    const message = `Documents read from or written to the "${table}" table changed while this mutation was being run and on every subsequent retry. ${writer} changed the document with ID "${write.id}". See https://docs.convex.dev/error#1`;
    super({ message, data: undefined });
  }
}

/**
 * Runs `work` in a transaction and commits it; if somebody else has written what it read, does so again, from the
 * start, on what is there then.
 *
 * @param source - the mutation's name, for those that conflict with it
 * @param onConflict - is told of each conflict
 * @throws OccError after four retries; else what `work` throws, with nothing written
 */
export async function inTransaction<T>(
  host: Host,
  source: string,
  work: (unit: Unit) => Promise<T>,
  onConflict: () => void,
): Promise<Ended<T>> {
  for (let retries = 0; ; retries++) {
    const ended = await host.gate.through(() => attempt(host, source, work));
    if (!(ended instanceof ConflictError)) return ended;
    onConflict();
    const waitMs = backoffMs(retries, host.random);
    if (waitMs === null) throw new OccError(ended, source);
    await host.sleep(waitMs);
  }
}

async function attempt<T>(
  host: Host,
  source: string,
  work: (unit: Unit) => Promise<T>,
): Promise<Ended<T> | ConflictError> {
  const unit = createUnit(host);
  const value = await runToEnd(unit, work);
  if (!unit.transaction.hasWrites) {
    unit.transaction.rollback();
    return { value, commit: null, unit };
  }
  try {
    const commit = unit.transaction.commit(source);
    host.noteCommit(commit);
    return { value, commit, unit };
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const { write, commit } = error;
    host.noteConflict({ source, tables: unit.transaction.writtenTables, write, writer: commit.source });
    return error;
  }
}

/** A transaction that only reads: as of its beginning it is right, whatever is committed meanwhile. */
export async function inReadTransaction<T>(host: Host, work: (unit: Unit) => Promise<T>): Promise<Ended<T>> {
  return host.gate.through(async () => {
    const unit = createUnit(host);
    const value = await runToEnd(unit, work);
    unit.transaction.rollback();
    return { value, commit: null, unit };
  });
}

async function runToEnd<T>(unit: Unit, work: (unit: Unit) => Promise<T>): Promise<T> {
  try {
    return await work(unit);
  } catch (error) {
    unit.transaction.rollback();
    throw error;
  }
}

export function createUnit(host: Host): Unit {
  return { transaction: new Transaction(host.store), usage: host.createUsage() };
}

/**
 * A mutation of the deployment itself, in the name of a component: what `work` does is what it does.
 *
 * @param request - of the action that it is for
 */
export async function inSystemMutation<T>(
  host: Host,
  component: string,
  work: (execution: TransactionExecution) => T,
  request: Request = noRequest,
): Promise<T> {
  const path: FunctionPath = { component, name: "_system" };
  const { value } = await inTransaction(
    host,
    path.name,
    async (unit) => work(systemExecution(host, unit, path, request)),
    () => {},
  );
  return value;
}

const noRequest: Request = { requestId: "", job: null };

function systemExecution(host: Host, unit: Unit, path: FunctionPath, request: Request): TransactionExecution {
  return {
    isTransaction: true,
    kind: "mutation",
    path,
    identity: null,
    request,
    now: host.clock.now(),
    random: host.random.fork(),
    logLines: [],
    unit,
    reader: unit.transaction,
    pending: [],
    streams: new Map(),
    native: new Set(),
    journal: null,
    nextJournal: undefined,
    unhandled: null,
    ownMs: 0,
    isOver: false,
  };
}
