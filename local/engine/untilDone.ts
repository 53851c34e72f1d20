import type { Transaction } from "../mvcc/transaction.js";
import type { Cost } from "./engine.js";
import type { FunctionError, Unit } from "./execution.js";
import type { Host, TopLevelCall } from "./host.js";
import { jobBackoffMs } from "./retry.js";
import { costOf, createProgress, noteAttempt, runMutationIn } from "./topLevel.js";
import { inTransaction, OccError } from "./unit.js";

/** What a call that nobody waits for came to. */
export interface Done {
  readonly cost: Cost & { readonly logLines: readonly string[] };
  readonly failure: FunctionError | null;
}

/** How a mutation is entered in the books of whoever runs it, within its own transaction: so it is done exactly once. */
export interface Book {
  /** Whether it is to run still. */
  isDue(transaction: Transaction): boolean;
  end(transaction: Transaction, failure: FunctionError | null): void;
}

/** Runs a mutation; after conflicts again, for ever. */
export async function runUntilDone(host: Host, call: TopLevelCall, book: Book): Promise<Done> {
  const progress = createProgress();
  const work = (unit: Unit) => runOnce(host, call, book, noteAttempt(progress, unit), progress.logLines);
  for (let retries = 0; ; retries++) {
    try {
      const { value: failure } = await inTransaction(host, call.path.name, work, () => {
        progress.conflicts += 1;
      });
      return { cost: costOf(progress), failure };
    } catch (error) {
      if (!(error instanceof OccError)) throw error;
      await host.sleep(jobBackoffMs(retries, host.random));
    }
  }
}

async function runOnce(
  host: Host,
  call: TopLevelCall,
  book: Book,
  unit: Unit,
  logLines: string[],
): Promise<FunctionError | null> {
  if (!book.isDue(unit.transaction)) return null;
  let failure: FunctionError | null = null;
  try {
    await runMutationIn(unit, call, host, logLines);
  } catch (error) {
    failure = error as FunctionError;
  }
  book.end(unit.transaction, failure);
  return failure;
}
