// Records what functions read and write, by wrapping the syscalls that convex-test installs. Tables are told apart
// by name only, not by component: a write re-runs a query too many rather than one too few.
import { AsyncLocalStorage } from "node:async_hooks";
import { checkDocument } from "./limits.js";

export interface Recording {
  readonly reads: Set<string>;
  readonly read: { rows: number; bytes: number };
  readonly written: { rows: number; bytes: number };
}

type AsyncSyscall = (operation: string, json: string) => Promise<string>;
interface ConvexGlobal {
  readonly syscall: (operation: string, json: string) => string;
  readonly asyncSyscall: AsyncSyscall;
  readonly jsSyscall: unknown;
}
interface SyscallArgs {
  readonly query?: { readonly source: { readonly tableName?: string; readonly indexName?: string } };
  readonly table?: string;
  readonly id?: string;
  readonly value?: unknown;
}

const current = new AsyncLocalStorage<Recording>();

export function createRecording(): Recording {
  return { reads: new Set(), read: { rows: 0, bytes: 0 }, written: { rows: 0, bytes: 0 } };
}

export function record<T>(recording: Recording, work: () => Promise<T>): Promise<T> {
  return current.run(recording, work);
}

/** Wraps the syscalls of this process, for every function there is. @returns what takes the wrapping away */
export function installRecorder(onWrite: (table: string) => void): () => void {
  const holder = globalThis as unknown as { Convex: ConvexGlobal };
  const original = holder.Convex;
  const noteRead = (table: string) => current.getStore()?.reads.add(table);
  const noteStart = (operation: string, args: SyscallArgs) => {
    const table = tableOf(args);
    if (table === null) return;
    if (readOperations.has(operation)) noteRead(table);
    if (writeOperations.has(operation)) {
      checkDocument(operation, args.value);
      onWrite(table);
    }
    if (operation === "1.0/schedule" || operation === "1.0/cancel_job") onWrite("_scheduled_functions");
  };
  const noteEnd = (operation: string, json: string, result: string) => {
    const recording = current.getStore();
    if (recording === undefined) return;
    if (readOperations.has(operation) || operation === "1.0/queryStreamNext") {
      recording.read.rows += operation === "1.0/queryStreamNext" ? 1 : 0;
      recording.read.bytes += result.length;
    }
    if (writeOperations.has(operation)) {
      recording.written.rows += 1;
      recording.written.bytes += json.length;
    }
  };
  holder.Convex = {
    get syscall() {
      const { syscall } = original;
      return (operation: string, json: string) => {
        noteStart(operation, JSON.parse(json) as SyscallArgs);
        return syscall(operation, json);
      };
    },
    get asyncSyscall() {
      const { asyncSyscall } = original;
      return async (operation: string, json: string) => {
        noteStart(operation, JSON.parse(json) as SyscallArgs);
        const result = await asyncSyscall(operation, json);
        noteEnd(operation, json, result);
        return result;
      };
    },
    get jsSyscall() {
      return original.jsSyscall;
    },
  };
  return () => void (holder.Convex = original);
}

const readOperations: ReadonlySet<string> = new Set([
  "1.0/queryStream",
  "1.0/queryPage",
  "1.0/get",
  "1.0/count",
]);
const writeOperations: ReadonlySet<string> = new Set([
  "1.0/insert",
  "1.0/shallowMerge",
  "1.0/replace",
  "1.0/remove",
]);

function tableOf({ query, table, id }: SyscallArgs): string | null {
  const source = query?.source;
  if (source !== undefined) return source.tableName ?? source.indexName?.split(".")[0] ?? null;
  if (table !== undefined) return table;
  return id === undefined ? null : String(id).replace(/^[0-9]+/, "");
}
