import { convexToJson, jsonToConvex, type JSONValue } from "convex/values";
import type { Cost, Snapshot } from "./engine.js";
import { withCommitTs } from "../mvcc/pendingTs.js";
import { runAction } from "./actionFunction.js";
import type { FunctionError, Unit } from "./execution.js";
import type { Host, TopLevelCall } from "./host.js";
import { inReadTransaction, inTransaction } from "./unit.js";

/** What a top-level call came to. */
export type Outcome = Cost & {
  readonly logLines: readonly string[];
  readonly snapshot: Snapshot | null;
} & (
    | {
        readonly ok: true;
        readonly value: JSONValue;
        /** At which it saw or made the database as it tells; null: it is an action. */
        readonly ts: bigint | null;
        readonly journal: string | null;
      }
    | { readonly ok: false; readonly error: FunctionError }
  );

/** What is known of a call so far: of its last attempt, where it is tried more than once. */
export interface Progress {
  readonly start: number;
  readonly logLines: string[];
  conflicts: number;
  unit: Unit | null;
}

export function createProgress(): Progress {
  return { start: performance.now(), logLines: [], conflicts: 0, unit: null };
}

export function noteAttempt(progress: Progress, unit: Unit): Unit {
  progress.unit = unit;
  progress.logLines.length = 0;
  return unit;
}

interface Value {
  readonly value: JSONValue;
  readonly ts: bigint | null;
  readonly journal: string | null;
}

type Kind = (call: TopLevelCall, host: Host, progress: Progress, journal: string | null) => Promise<Value>;

/** Runs a function in a transaction, or as an action, of its own. Never rejects. */
export async function runTopLevel(call: TopLevelCall, host: Host, journal: string | null): Promise<Outcome> {
  const progress = createProgress();
  const end = () => ({ ...costOf(progress), snapshot: snapshotOf(call, progress) });
  try {
    const value = await kinds[call.kind](call, host, progress, journal);
    return { ok: true, ...value, ...end() };
  } catch (error) {
    return { ok: false, error: error as FunctionError, ...end() };
  }
}

const kinds: Readonly<Record<TopLevelCall["kind"], Kind>> = {
  query: async (call, host, progress, journal) => {
    const { value, unit } = await inReadTransaction(host, (own) =>
      run(call, noteAttempt(progress, own), host, progress, journal),
    );
    const { nextJournal = null } = value;
    return { value: value.value, ts: unit.transaction.snapshotTs, journal: nextJournal };
  },
  mutation: async (call, host, progress) => {
    const { value, commit, unit } = await inTransaction(
      host,
      call.path.name,
      (own) => run(call, noteAttempt(progress, own), host, progress, null),
      () => (progress.conflicts += 1),
    );
    const ts = commit?.ts ?? unit.transaction.snapshotTs;
    const result = withCommitTs(jsonToConvex(value.value), ts);
    return { value: convexToJson(result), ts, journal: null };
  },
  action: async (call, host, { logLines }) => ({
    value: await runAction(call, host, logLines),
    ts: null,
    journal: null,
  }),
};

function run(
  call: TopLevelCall,
  unit: Unit,
  host: Host,
  { logLines }: { readonly logLines: string[] },
  journal: string | null,
) {
  const { path, args, identity, request } = call;
  const kind = call.kind === "mutation" ? "mutation" : "query";
  const [now, random] = [host.clock.now(), host.random.fork()];
  return host.runInTransaction({
    kind,
    path,
    args,
    identity,
    request,
    unit,
    now,
    random,
    logLines,
    journal,
    isNested: false,
  });
}

/** Runs a mutation within a transaction that goes on after it. @throws FunctionError, with nothing of it left written */
export async function runMutationIn(
  unit: Unit,
  call: TopLevelCall,
  host: Host,
  logLines: string[],
): Promise<JSONValue> {
  unit.transaction.beginNested();
  try {
    const { value } = await run({ ...call, kind: "mutation" }, unit, host, { logLines }, null);
    unit.transaction.commitNested();
    return value;
  } catch (error) {
    unit.transaction.rollbackNested();
    throw error;
  }
}

export function costOf({
  start,
  unit,
  conflicts,
  logLines,
}: Progress): Cost & { logLines: readonly string[] } {
  const totals = unit?.usage.totals ?? nothing;
  return {
    ms: performance.now() - start,
    read: { rows: totals.documentsRead, bytes: totals.bytesRead },
    written: { rows: totals.documentsWritten, bytes: totals.bytesWritten },
    conflicts,
    logLines,
  };
}

const nothing = { documentsRead: 0, bytesRead: 0, documentsWritten: 0, bytesWritten: 0 };

function snapshotOf({ kind }: TopLevelCall, { unit }: Progress): Snapshot | null {
  if (kind !== "query" || unit === null) return null;
  const { snapshotTs: ts, reads } = unit.transaction;
  return { ts, isTouchedBy: (write) => reads.isTouchedBy(write) };
}
