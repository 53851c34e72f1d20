// Decides whether two runs of mutations would conflict under Convex's optimistic concurrency control.
//
// convex-test runs one transaction at a time, so it can never show a conflict. But a conflict is a fact about
// two transactions' records alone: one wrote a row that lies, before or after the write, in an index range that
// the other read. The auditor wraps the syscalls that convex-test installs, records ranges and rows, and
// compares them. It errs on the safe side: a query counts as having read its whole range, however little of it
// was taken. Reads on a stale snapshot are no part of a read set and are left out, as in Convex.
import { AsyncLocalStorage } from "node:async_hooks";
import { CommitTsPlaceholder, compareValues, jsonToConvex, type JSONValue, type Value } from "convex/values";

type RangeTerm = { type: "Eq" | "Gt" | "Gte" | "Lt" | "Lte"; fieldPath: string; value: Value };
type ReadRange = { table: string; terms: RangeTerm[] };
type Row = Record<string, Value> | null;
type RowWrite = { table: string; before: Row; after: Row };

/** What one mutation read (without stale reads) and wrote, in the app and in every component it called. */
export type MutationRecord = { readonly reads: ReadRange[]; readonly writes: RowWrite[] };

type Syscall = (operation: string, json: string) => Promise<string>;
type ConvexGlobal = {
  syscall: (operation: string, json: string) => string;
  asyncSyscall: Syscall;
  jsSyscall: unknown;
};

const recording = new AsyncLocalStorage<MutationRecord | null>();
const wrapped = new WeakSet<object>();
const writeOperations = ["1.0/insert", "1.0/shallowMerge", "1.0/replace", "1.0/remove"];

/** Runs mutations one after the other and returns what each of them read and wrote. */
export async function recordMutation(run: () => Promise<unknown>): Promise<MutationRecord> {
  installRecorder();
  const record: MutationRecord = { reads: [], writes: [] };
  await recording.run(record, run);
  return record;
}

/**
 * The ranges over which the two would conflict if they ran at the same time, in a readable form; empty if they
 * never do.
 */
export function conflictsBetween(a: MutationRecord, b: MutationRecord): string[] {
  return [...conflictsOf(a, b), ...conflictsOf(b, a)];
}

function conflictsOf(reader: MutationRecord, writer: MutationRecord): string[] {
  // Of a row that it inserted itself nobody else knows; in another app one may have the same id.
  const own = new Set(reader.writes.flatMap(({ before, after }) => (before === null ? after?.["_id"] : [])));
  return writer.writes.flatMap((write) =>
    reader.reads
      .filter(({ terms }) => !terms.some(({ fieldPath, value }) => fieldPath === "_id" && own.has(value)))
      .filter((read) => read.table === write.table && (isIn(write.before, read) || isIn(write.after, read)))
      .map((read) => `${read.table}(${read.terms.map(describe).join(", ")})`),
  );
}

function describe({ fieldPath, type, value }: RangeTerm): string {
  return `${fieldPath} ${type} ${typeof value === "bigint" ? `${value}n` : JSON.stringify(value)}`;
}

function isIn(row: Row, range: ReadRange): boolean {
  return row !== null && range.terms.every((term) => satisfies(valueAt(row, term.fieldPath), term));
}

function satisfies(value: Value | undefined, term: RangeTerm): boolean {
  const order = compareValues(value, term.value);
  const answers = { Eq: order === 0, Gt: order > 0, Gte: order >= 0, Lt: order < 0, Lte: order <= 0 };
  return answers[term.type];
}

function valueAt(row: Row, fieldPath: string): Value | undefined {
  let value: unknown = row;
  for (const key of fieldPath.split(".")) value = (value as Record<string, unknown> | undefined)?.[key];
  // A pending commit timestamp becomes some real one: above all committed, below the placeholder's own place.
  return value instanceof CommitTsPlaceholder ? 2n ** 62n : (value as Value | undefined);
}

function installRecorder(): void {
  const holder = globalThis as unknown as { Convex: ConvexGlobal };
  const original = holder.Convex;
  if (wrapped.has(original)) return;
  const recorder: ConvexGlobal = {
    get jsSyscall() {
      return original.jsSyscall;
    },
    get syscall() {
      const { syscall } = original;
      return (operation: string, json: string) => {
        noteRead(operation, parse(json));
        return syscall(operation, json);
      };
    },
    get asyncSyscall() {
      const { asyncSyscall } = original;
      return (operation: string, json: string) => recordAsync(asyncSyscall, operation, json);
    },
  };
  wrapped.add(recorder);
  holder.Convex = recorder;
}

async function recordAsync(asyncSyscall: Syscall, operation: string, json: string): Promise<string> {
  const args = parse(json);
  if (operation === "1.0/runUdf" && args["udfType"] === "snapshotQuery") {
    return recording.run(null, () => asyncSyscall(operation, json));
  }
  noteRead(operation, args);
  const record = recording.getStore();
  if (!record || !writeOperations.includes(operation)) return asyncSyscall(operation, json);
  const get = async (id: string) => {
    const row = await asyncSyscall("1.0/get", JSON.stringify({ id, isSystem: false }));
    return jsonToConvex(JSON.parse(row) as JSONValue) as Row;
  };
  const isInsert = operation === "1.0/insert";
  const before = isInsert ? null : await get(args["id"] as string);
  if (!isInsert) noteRead("1.0/get", args);
  const result = await asyncSyscall(operation, json);
  const id = isInsert ? (JSON.parse(result) as { _id: string })._id : (args["id"] as string);
  const after = operation === "1.0/remove" ? null : await get(id);
  record.writes.push({ table: tableOf(id), before, after });
  return result;
}

function noteRead(operation: string, args: Record<string, unknown>): void {
  const record = recording.getStore();
  if (!record) return;
  if (operation === "1.0/get") {
    const id = args["id"] as string;
    record.reads.push({ table: tableOf(id), terms: [{ type: "Eq", fieldPath: "_id", value: id }] });
  }
  if (operation !== "1.0/queryStream" && operation !== "1.0/queryPage") return;
  const { source } = args["query"] as {
    source: { tableName?: string; indexName?: string; range?: RangeTerm[] };
  };
  const terms = (source.range ?? []).map((term) => ({ ...term, value: termValue(term) }));
  const table = source.tableName ?? (source.indexName as string).split(".")[0];
  record.reads.push({ table: table as string, terms });
}

function termValue({ value }: RangeTerm): Value {
  const decoded: unknown = jsonToConvex(value as JSONValue);
  return decoded instanceof CommitTsPlaceholder ? 2n ** 63n - 1n : (decoded as Value);
}

/** convex-test's ids end in the table's name. */
function tableOf(id: string): string {
  return id.replace(/^[0-9]+/, "");
}

function parse(json: string): Record<string, unknown> {
  return JSON.parse(json) as Record<string, unknown>;
}
