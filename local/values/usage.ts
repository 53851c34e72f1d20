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

const seeLimits = "See https://docs.convex.dev/production/state/limits";

const messages: Readonly<Record<keyof Amounts, (limit: number) => string>> = {
  bytesRead: (limit) => `Too many bytes read in a single function execution (limit: ${limit} bytes).`,
  bytesWritten: (limit) => `Too many bytes written in a single function execution (limit: ${limit} bytes).`,
  databaseQueries: (limit) =>
    `Too many reads in a single function execution (limit: ${limit}): each get and each query is one.`,
  documentsRead: (limit) => `Too many documents read in a single function execution (limit: ${limit}).`,
  documentsWritten: (limit) => `Too many writes in a single function execution (limit: ${limit}).`,
  functionsScheduled: (limit) => `Too many functions scheduled by this mutation (limit: ${limit}).`,
  scheduledFunctionArgsBytes: (limit) =>
    `Too large total size of the arguments of scheduled functions from this mutation (limit: ${limit} bytes).`,
};

/** What a rolled back call has read was read all the same. */
const reads = ["bytesRead", "databaseQueries", "documentsRead"] as const;

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
  /** Default: 1 s with 1 s of tolerance; false: however long it takes. */
  readonly userTime?: UserTime | false;
}

const defaultUserTime: UserTime = { limitMs: 1_000, toleranceMs: 1_000 };

interface Level {
  readonly limits: Readonly<Amounts>;
  used: Amounts;
}

/** Counts what a transaction uses, and refuses what is too much. A call within it may be given less than is left. */
export class Usage {
  readonly #levels: Level[];
  readonly #userTime: UserTime | false;
  #ownMs = 0;

  constructor({ limits = {}, userTime = defaultUserTime }: UsageOptions = {}) {
    this.#levels = [{ limits: { ...convexLimits, ...limits }, used: nothing() }];
    this.#userTime = userTime;
  }

  /** A document was read. @throws Error */
  read(bytes: number): void {
    this.#use("documentsRead", 1);
    this.#use("bytesRead", bytes);
  }

  /** A document was written; 0 bytes: deleted. @throws Error */
  write(bytes: number): void {
    this.#use("documentsWritten", 1);
    this.#use("bytesWritten", bytes);
  }

  /** A query was begun, or a document asked for. @throws Error */
  indexRange(): void {
    this.#use("databaseQueries", 1);
  }

  /** @throws Error */
  schedule(argBytes: number): void {
    this.#use("functionsScheduled", 1);
    this.#use("scheduledFunctionArgsBytes", argBytes);
  }

  /** The function's own JavaScript ran. @throws Error */
  spend(ms: number): void {
    this.#ownMs += ms;
    if (this.#userTime === false) return;
    const { limitMs, toleranceMs } = this.#userTime;
    if (this.#ownMs > limitMs + toleranceMs)
      throw new Error(`Function execution timed out (maximum duration: ${limitMs / 1_000}s)`);
  }

  /** A call within begins. @param limits - what it may use of what is left. @throws Error if it is too deep within others */
  begin(limits: TransactionLimits = {}): void {
    if (this.#levels.length > deepestCall)
      throw new Error("Cross component call depth limit exceeded. Do you have an infinite loop in your app?");
    const { limits: outer, used } = this.#level();
    const lowered = Object.entries(limits) as [keyof Amounts, number][];
    const own = lowered.map(([name, most]) => [name, Math.min(outer[name], used[name] + most)]);
    this.#levels.push({ limits: { ...outer, ...Object.fromEntries(own) }, used: { ...used } });
  }

  commit(): void {
    const { used } = this.#end();
    this.#level().used = used;
  }

  rollback(): void {
    const { used } = this.#end();
    for (const name of reads) this.#level().used[name] = used[name];
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

  #use(name: keyof Amounts, amount: number): void {
    const { limits, used } = this.#level();
    used[name] += amount;
    if (used[name] > limits[name]) throw new Error(`${messages[name](limits[name])} ${seeLimits}`);
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
