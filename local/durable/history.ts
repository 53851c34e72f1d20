// Histories of commits for tests: every commit also writes its own number, so that a state tells which one it is after.
import type { Document } from "../engine/engine.js";
import type { DataDirectory, Recovered } from "./dataDirectory.js";
import type { StoredCommit, StoredWrite } from "./storedCommit.js";

export type State = Map<string, Document | number>;

/** The `n`th commit, at the timestamp `n`. */
export function numbered(n: number, writes: readonly StoredWrite[] = []): StoredCommit {
  return {
    ts: BigInt(n),
    tables: n % 5 === 1 ? [{ component: "", name: `t${n}`, number: n }] : [],
    writes: [{ table: "counter", id: "c", after: { n } }, ...writes],
  };
}

/** The `n`th commit of a history that any process can tell from its number: notes come, change and go. */
export function noteCommit(n: number): StoredCommit {
  const after = n % 7 === 0 ? null : { n, text: "x".repeat(n % 300) };
  return numbered(n, [{ table: "notes", id: `${n % 50}`, after }]);
}

export function apply(state: State, { tables, writes }: StoredCommit): void {
  for (const { component, name, number } of tables) state.set(`table ${component}/${name}`, number);
  for (const { table, id, after } of writes)
    if (after === null) state.delete(`${table}/${id}`);
    else state.set(`${table}/${id}`, after);
}

export function stateAfter(commits: readonly StoredCommit[]): State {
  const state: State = new Map();
  for (const commit of commits) apply(state, commit);
  return state;
}

/** The number of the newest commit that a state has in it. */
export function newestIn(state: State): number {
  const counter = state.get("counter/c");
  return typeof counter === "object" ? Number(counter["n"]) : 0;
}

/** A state as commits of one write each. */
export function* commitsOfState(state: State, ts = 0n): Generator<StoredCommit> {
  for (const [key, value] of [...state]) {
    const [table = "", id = ""] = key.split("/");
    if (typeof value !== "number") yield { ts, tables: [], writes: [{ table, id, after: value }] };
    else
      yield {
        ts,
        tables: [{ component: table.slice("table ".length), name: id, number: value }],
        writes: [],
      };
  }
}

export async function recoverState(data: DataDirectory): Promise<Recovered & { state: State }> {
  const state: State = new Map();
  return { ...(await data.recover((commit) => apply(state, commit))), state };
}
