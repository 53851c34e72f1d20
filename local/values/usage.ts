// What a transaction may use: docs.convex.dev/production/state/limits. The messages are the backend's
// (get-convex/convex-backend, crates/database/src/transaction.rs and reads.rs).

const MiB = 1024 * 1024;

/** Of one query or mutation, with all that it calls. */
export interface Amounts {
  bytesRead: number;
  bytesWritten: number;
  databaseQueries: number;
  documentsRead: number;
  documentsWritten: number;
  functionsScheduled: number;
  scheduledFunctionArgsBytes: number;
}

export type TransactionLimits = Readonly<Partial<Amounts>>;

export const convexLimits: Readonly<Amounts> = {
  bytesRead: 16 * MiB,
  bytesWritten: 16 * MiB,
  databaseQueries: 4_096,
  documentsRead: 32_000,
  documentsWritten: 16_000,
  functionsScheduled: 1_000,
  scheduledFunctionArgsBytes: 16 * MiB,
};

/** Calls within calls, below the first function: crates/common/src/knobs.rs. */
const deepestCall = 8;

/** OVER_LIMIT_HELP in crates/database/src/reads.rs. */
const overLimitHelp =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

const messages: Readonly<Record<keyof Amounts, (limit: number) => string>> = {
  bytesRead: (limit) =>
    `Too many bytes read in a single function execution (limit: ${limit} bytes). ${overLimitHelp}`,
  bytesWritten: (limit) => `Too many bytes written in a single function execution (limit: ${limit} bytes)`,
  databaseQueries: (limit) =>
    `Too many reads in a single function execution (limit: ${limit}). ${overLimitHelp}`,
  documentsRead: (limit) =>
    `Too many documents read in a single function execution (limit: ${limit}). ${overLimitHelp}`,
  documentsWritten: (limit) => `Too many writes in a single function execution (limit: ${limit})`,
  functionsScheduled: (limit) => `Too many functions scheduled by this mutation (limit: ${limit})`,
  scheduledFunctionArgsBytes: (limit) =>
    `Too large total size of the arguments of scheduled functions from this mutation (limit: ${limit} bytes)`,
};

/**
 * What a rolled back call has written was not written. What it has read was read all the same; and what it has
 * scheduled counts, though it is not run: `rollback_subtransaction` in crates/database/src/transaction.rs leaves
 * `scheduled_size` as it is. (convex-test gives it back.)
 */
const undone = ["bytesWritten", "documentsWritten"] as const;

/** How long a function's own JavaScript may run, in milliseconds; what the database takes does not count. */
export interface UserTime {
  /** Default: 1,000, as in production. */
  readonly limitMs: number;
  /**
   * A function is let run so much longer. Time is measured by the clock of a machine that does other things too, and
   * production's machine is another one: what is over the limit by less says nothing.
   */
  readonly toleranceMs: number;
}

export interface UsageOptions {
  /** In place of Convex's; what is not named stays as it is. */
  readonly limits?: TransactionLimits;
  /** Default: true; false: amounts are counted, none of them is refused. A call's own limits hold all the same. */
  readonly enforce?: boolean;
  /** Default: 1 s with 1 s of tolerance; false: however long it takes. */
  readonly userTime?: UserTime | false;
}

/** A call that is given no limits of its own. */
const none: TransactionLimits = {};

const defaultUserTime: UserTime = { limitMs: 1_000, toleranceMs: 1_000 };

interface Level {
  readonly limits: Readonly<Amounts>;
  readonly isEnforced: boolean;
  used: Amounts;
}

/** Counts what a transaction uses, and refuses what is too much. A call within it may be given less than is left. */
export class Usage {
  readonly #levels: Level[];
  readonly #userTime: UserTime | false;
  #ownMs = 0;

  constructor({ limits = {}, enforce = true, userTime = defaultUserTime }: UsageOptions = {}) {
    const own = { ...convexLimits, ...Object.fromEntries(Object.entries(limits).filter(isAmount)) };
    this.#levels = [{ limits: own, isEnforced: enforce, used: nothing() }];
    this.#userTime = userTime;
  }

  /** A document was read. @throws Error */
  read(bytes: number): void {
    this.#use("documentsRead", 1, "bytesRead", bytes);
  }

  /** A document was written; 0 bytes: deleted. @throws Error */
  write(bytes: number): void {
    this.#use("documentsWritten", 1, "bytesWritten", bytes);
  }

  /** A query was begun, or a document asked for. @throws Error */
  indexRange(): void {
    this.#count("databaseQueries", 1);
    this.#refuse("databaseQueries");
  }

  /**
   * Here, other than with reads and writes, what is refused is not counted, so that something smaller may be scheduled
   * then: `check_scheduling_limits` in crates/model/src/scheduled_jobs/mod.rs.
   *
   * @throws Error
   */
  schedule(argBytes: number): void {
    this.#refuse("functionsScheduled", 1);
    this.#count("functionsScheduled", 1);
    this.#refuse("scheduledFunctionArgsBytes", argBytes);
    this.#count("scheduledFunctionArgsBytes", argBytes);
  }

  /** The function's own JavaScript ran. @throws Error */
  spend(ms: number): void {
    this.#ownMs += ms;
    if (this.#userTime === false) return;
    const { limitMs, toleranceMs } = this.#userTime;
    if (this.#ownMs > limitMs + toleranceMs)
      throw new Error(`Function execution timed out (maximum duration: ${durationOf(limitMs)})`);
  }

  /** A call within begins. @param limits - what it may use of what is left. @throws Error if it is too deep within others */
  begin(limits: TransactionLimits = none): void {
    if (this.#levels.length > deepestCall)
      throw new Error("Cross component call depth limit exceeded. Do you have an infinite loop in your app?");
    const { limits: outer, used, isEnforced } = this.#level();
    const own = { ...outer };
    for (const [name, most] of Object.entries(limits).filter(isAmount))
      own[name] = Math.min(outer[name], used[name] + most);
    this.#levels.push({ limits: own, isEnforced: isEnforced || limits !== none, used: { ...used } });
  }

  commit(): void {
    const { used } = this.#end();
    this.#level().used = used;
  }

  rollback(): void {
    const { used } = this.#end();
    const outer = this.#level();
    for (const name of undone) used[name] = outer.used[name];
    outer.used = used;
  }

  /** As `ctx.meta.getTransactionMetrics()` tells it. */
  metrics(): Record<keyof Amounts, { used: number; remaining: number }> {
    const { limits, used } = this.#level();
    const entries = (Object.keys(used) as (keyof Amounts)[]).map((name) => [
      name,
      { used: used[name], remaining: limits[name] - used[name] },
    ]);
    return Object.fromEntries(entries) as Record<keyof Amounts, { used: number; remaining: number }>;
  }

  get totals(): Readonly<Amounts> {
    return this.#level().used;
  }

  /** Both are counted before either is refused: crates/database/src/reads.rs and writes.rs. */
  #use(count: keyof Amounts, amount: number, size: keyof Amounts, bytes: number): void {
    this.#count(count, amount);
    this.#count(size, bytes);
    this.#refuse(count);
    this.#refuse(size);
  }

  #count(name: keyof Amounts, amount: number): void {
    this.#level().used[name] += amount;
  }

  /** @param more - than is counted already */
  #refuse(name: keyof Amounts, more = 0): void {
    const { limits, used, isEnforced } = this.#level();
    if (isEnforced && used[name] + more > limits[name]) throw new Error(messages[name](limits[name]));
  }

  #level(): Level {
    return this.#levels.at(-1)!;
  }

  #end(): Level {
    if (this.#levels.length === 1) throw new Error("No call within this transaction was begun.");
    return this.#levels.pop()!;
  }
}

function nothing(): Amounts {
  return {
    bytesRead: 0,
    bytesWritten: 0,
    databaseQueries: 0,
    documentsRead: 0,
    documentsWritten: 0,
    functionsScheduled: 0,
    scheduledFunctionArgsBytes: 0,
  };
}

/** A limit comes from a function's JavaScript: what is none there limits nothing, rather than lifting what does. */
function isAmount(entry: [string, unknown]): entry is [keyof Amounts, number] {
  return typeof entry[1] === "number" && !Number.isNaN(entry[1]);
}

/** As Rust's `{:?}` of a Duration. */
function durationOf(ms: number): string {
  return ms < 1_000 ? `${ms}ms` : `${ms / 1_000}s`;
}
