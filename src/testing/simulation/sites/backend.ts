// What a simulation of `sites` asks of its server beside what any app's can be asked.
import type { PlainRow } from "../../../collections/index.js";
import type { Operation } from "../../../shared/operations.js";
import type { Engine } from "../app.js";
import type { Backend, Left, StoredState, Surroundings } from "../backend.js";

/** What the app's hooks decide by: the simulation changes it while it runs. */
export interface AccessRules {
  mayRead(user: string | null, scope: string): boolean;
}

export interface ServerWrite {
  readonly document: string;
  readonly operations: readonly Operation[];
}

/** Where nothing is read of the collection but its epoch. */
export const endOfStream = { collection: "sites", scope: "DE", cursor: { ts: 2n ** 62n, document: "" } };

export interface SiteSurroundings extends Surroundings, AccessRules {
  /** Those that are looked at. */
  readonly documents: readonly string[];
}

export interface SiteBackend extends Backend {
  /** In one mutation of the app's, by its writer; as version 1 writes it. @returns false: by now the documents are such that it is refused */
  write(changes: readonly ServerWrite[]): Promise<boolean>;
  /** From now on functions are those of this release; what runs runs on. */
  deploy(version: number): void;
  compact(documents: readonly string[]): Promise<void>;
  purge(document: string): Promise<void>;
  newEpoch(): Promise<void>;
  /**
   * Takes a backup. Not every engine can: then none is ever restored.
   *
   * @returns restores it, under the timestamps that it had, and ends with a new epoch; `onRestored` is called before its
   *   commit is told of
   */
  backUp?(): Promise<(onRestored: () => void) => Promise<void>>;
}

/** How a server comes into the world of a simulation. */
export interface BackendDriver extends Engine {
  /** Starts an empty server. */
  start(surroundings: SiteSurroundings): Promise<SiteBackend>;
}

/** What was seen of the server after a commit. */
export interface Seen {
  readonly epoch: string;
  /** Of the documents, in the order in which they were asked for. */
  readonly states: readonly Pick<StoredState, "scope" | "ts" | "blobs">[];
  readonly rows: readonly PlainRow[];
}

export function leftOf(
  { epoch, states, rows }: Seen,
  documents: readonly string[],
  commit: Pick<Left, "mayChange" | "version">,
): Left {
  return {
    ...commit,
    epochs: new Map([["sites", epoch]]),
    states: states.map((state, at) => ({ collection: "sites", id: documents[at] as string, ...state })),
    rows: new Map([["sites", rows]]),
  };
}
