// Which files of the folder are the state.
//
// `snapshot-G` is the state after everything in the logs before `log-G`; `log-G` holds what came after, as far as
// `log-(G+1)`, if there is one. The state is the newest snapshot, S (or nothing: S = 0), then log S, S+1, … in order.
// What a log belongs to is its number alone, in its name and its checksummed header; timestamps only confirm it.
//
// A compaction from G to G+1, and why a crash at any point of it leaves the state before or after, which are the same:
//
//  1. Commits appended so far are written to log G and synced. From here on log G does not change.
//  2. `log-(G+1).tmp` is written: a header that says where log G ended, synced. Crash: a leftover, which is ignored.
//  3. It is renamed to `log-(G+1)`, and the folder synced. Crash: it is there, empty, behind a log G that is complete;
//     or not there, and nothing was lost, as the first commit is written to it only after the folder was synced.
//  4. `snapshot-(G+1).tmp` is written while commits go to log G+1. Crash: a leftover; the state is snapshot G, log G,
//     log G+1. So it is if the compaction fails: the next one makes G+2 of all of these.
//  5. It is synced, then renamed to `snapshot-(G+1)`, then the folder synced. Crash: it is there, and whole, since it
//     was synced before it had the name: then S = G+1, and log G is not read any more, whether it is there or not.
//     Or it is not there: as in 4, and everything that 4 needs is there, since nothing has been removed.
//  6. Snapshots and logs below G+1 are removed, in any order, only now that the folder is synced: no crash brings
//     back a state in which they are needed. Crash: what is left of them is below S, hence a leftover.
//
// A new snapshot is never paired with an old log, as no log below S is read. A commit is in the snapshot or in a log
// that is read, never in none: it was appended before the compaction was asked for, and then it is in a log <= G, and
// in the state, which is taken at a `ts` that is no older (`compact` refuses another); or after, and then it is in log
// G+1. An old document never overwrites a newer one: records keep their order from log to log, and all of log G+1 is
// newer than the snapshot, or of the same `ts` and appended later. To be safe, `recover` refuses a ts that falls.
import { DataDirectoryError } from "./dataDirectoryError.js";
import type { FileKind } from "./fileHeader.js";

export interface RecoveryPlan {
  /** The newest generation that has one. */
  readonly snapshot: number | null;
  /** In the order to read them; none: the folder is new. */
  readonly logs: readonly number[];
  /** Names of what an interrupted compaction left: to be removed. Names of other programs' files are not in it. */
  readonly leftovers: readonly string[];
}

export function fileName(kind: FileKind, generation: number): string {
  return `${kind}-${generation}`;
}

export function temporaryName(name: string): string {
  return `${name}.tmp`;
}

/**
 * @param names - of what is in the folder
 * @throws DataDirectoryError `corrupt` if a file is missing that no crash removes
 */
export function planRecovery(names: readonly string[]): RecoveryPlan {
  const files = names.flatMap((name) => {
    const match = /^(log|snapshot)-(\d+)(\.tmp)?$/.exec(name);
    if (match === null) return [];
    return [{ name, kind: match[1], generation: Number(match[2]), isTemporary: match[3] !== undefined }];
  });
  const generationsOf = (kind: FileKind) =>
    files
      .filter((file) => file.kind === kind && !file.isTemporary)
      .map(({ generation }) => generation)
      .sort((a, b) => a - b);
  const snapshot = generationsOf("snapshot").at(-1) ?? null;
  const first = snapshot ?? 0;
  const allLogs = generationsOf("log");
  const logs = allLogs.filter((generation) => generation >= first);
  if (snapshot !== null || allLogs.length > 0) demandAll(first, logs);
  const leftovers = files.filter(({ generation, isTemporary }) => isTemporary || generation < first);
  return { snapshot, logs, leftovers: leftovers.map(({ name }) => name) };
}

function demandAll(first: number, logs: readonly number[]): void {
  const missing = Array.from({ length: Math.max(1, logs.length) }, (_, at) => first + at).find(
    (generation, at) => logs[at] !== generation,
  );
  if (missing === undefined) return;
  const isSnapshotGone = first === 0 && !logs.includes(0);
  const what = isSnapshotGone ? `a snapshot, or ${fileName("log", 0)},` : fileName("log", missing);
  throw new DataDirectoryError(
    "corrupt",
    `${what} is missing from the data directory, which has the logs ${logs.join(", ") || "of no generation"}. ` +
      "Put it back, or empty the folder to begin anew.",
  );
}
