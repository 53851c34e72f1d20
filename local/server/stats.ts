import type { Call } from "./calls.js";

/** What all calls of a function came to. */
export interface FunctionStats {
  readonly kind: Call["kind"];
  readonly path: string;
  calls: number;
  errors: number;
  /** Queries that were answered by a run that was made for somebody else. */
  cacheHits: number;
  /** Commits that were refused because something read had changed. */
  conflicts: number;
  ms: number;
  rowsRead: number;
  bytesRead: number;
  rowsWritten: number;
  bytesWritten: number;
}

export type Totals = Omit<FunctionStats, "kind" | "path">;

/** Counts what functions do and cost. */
export class Stats {
  readonly #functions = new Map<string, FunctionStats>();

  note({ kind, path, ok, ms, reads, writes, conflicts }: Call): void {
    const stats = this.#of(kind, path);
    stats.calls += 1;
    if (!ok) stats.errors += 1;
    stats.conflicts += conflicts;
    stats.ms += ms;
    stats.rowsRead += reads.rows;
    stats.bytesRead += reads.bytes;
    stats.rowsWritten += writes.rows;
    stats.bytesWritten += writes.bytes;
  }

  noteCacheHit(path: string): void {
    this.#of("query", path).cacheHits += 1;
  }

  /** As `GET /stats` answers it. */
  report(): { readonly totals: Totals; readonly functions: readonly FunctionStats[] } {
    const functions = [...this.#functions.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    const totals = zero();
    for (const stats of functions)
      for (const name of Object.keys(totals) as (keyof Totals)[]) totals[name] += stats[name];
    return { totals, functions };
  }

  /** A line for each function, those that took longest first. */
  lines(): string[] {
    const byTime = [...this.#functions.values()].sort((a, b) => b.ms - a.ms);
    return byTime.map(({ kind, path, ...stats }) => {
      const { calls, errors, cacheHits, conflicts, ms, rowsRead, bytesRead, rowsWritten, bytesWritten } =
        stats;
      const counts = [
        `${calls} calls`,
        `${errors} errors`,
        `${cacheHits} cache hits`,
        `${conflicts} conflicts`,
      ];
      const usage = `read ${rowsRead} rows ${bytesRead} B  wrote ${rowsWritten} rows ${bytesWritten} B`;
      return `${kind} ${path}  ${counts.join(", ")}  ${(ms / Math.max(1, calls)).toFixed(1)} ms each  ${usage}`;
    });
  }

  #of(kind: Call["kind"], path: string): FunctionStats {
    const key = `${kind} ${path}`;
    const known = this.#functions.get(key) ?? { kind, path, ...zero() };
    this.#functions.set(key, known);
    return known;
  }
}

function zero(): Totals {
  return {
    calls: 0,
    errors: 0,
    cacheHits: 0,
    conflicts: 0,
    ms: 0,
    rowsRead: 0,
    bytesRead: 0,
    rowsWritten: 0,
    bytesWritten: 0,
  };
}
