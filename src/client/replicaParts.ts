import type { AnyCollection } from "../collections/index.js";
import type { RowsResult } from "../shared/rowsWire.js";
import type { PlainOverrides } from "./base/overrides.js";
import type { TabMessage } from "./base/tabMessages.js";
import type { Clock, Randomness } from "./ports/clock.js";
import type { Storage } from "./ports/storage.js";
import type { StorageSpace } from "./ports/storageSpace.js";
import type { LeaderElection, TabChannel, TabLifecycle } from "./ports/tabs.js";
import type { Transport } from "./ports/transport.js";

/** Everything a replica touches the world through. */
export interface ReplicaParts {
  readonly collections: readonly AnyCollection[];
  readonly user: string | null;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly election: LeaderElection;
  readonly channel: TabChannel<TabMessage>;
  readonly lifecycle: TabLifecycle;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Default: nothing is known of it. */
  readonly space?: StorageSpace;
  /** Rows to be shown before the database is open. */
  readonly hydrate?: readonly RowsResult[];
  /** What collections do in their own way, by name. */
  readonly overrides: ReadonlyMap<string, PlainOverrides>;
}
