/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as announcements from "../announcements.js";
import type * as append from "../append.js";
import type * as archives from "../archives.js";
import type * as changes from "../changes.js";
import type * as chunks from "../chunks.js";
import type * as committedTs from "../committedTs.js";
import type * as compact from "../compact.js";
import type * as compactAll from "../compactAll.js";
import type * as crons from "../crons.js";
import type * as deltaPack from "../deltaPack.js";
import type * as epochs from "../epochs.js";
import type * as exporting from "../exporting.js";
import type * as foldArchives from "../foldArchives.js";
import type * as follower from "../follower.js";
import type * as followerTables from "../followerTables.js";
import type * as guards from "../guards.js";
import type * as heads from "../heads.js";
import type * as health from "../health.js";
import type * as historySettings from "../historySettings.js";
import type * as historyTables from "../historyTables.js";
import type * as importChunks from "../importChunks.js";
import type * as importJobs from "../importJobs.js";
import type * as importTables from "../importTables.js";
import type * as imports from "../imports.js";
import type * as leaves from "../leaves.js";
import type * as log from "../log.js";
import type * as measure from "../measure.js";
import type * as mergeOrdered from "../mergeOrdered.js";
import type * as moves from "../moves.js";
import type * as parts from "../parts.js";
import type * as pointInTime from "../pointInTime.js";
import type * as presence from "../presence.js";
import type * as purge from "../purge.js";
import type * as purgeHistory from "../purgeHistory.js";
import type * as purgeMark from "../purgeMark.js";
import type * as readers from "../readers.js";
import type * as rebuild from "../rebuild.js";
import type * as receipts from "../receipts.js";
import type * as registry from "../registry.js";
import type * as removeSession from "../removeSession.js";
import type * as restores from "../restores.js";
import type * as resync from "../resync.js";
import type * as retire from "../retire.js";
import type * as retryFailed from "../retryFailed.js";
import type * as sessionTables from "../sessionTables.js";
import type * as sessions from "../sessions.js";
import type * as settings from "../settings.js";
import type * as states from "../states.js";
import type * as stream from "../stream.js";
import type * as sweep from "../sweep.js";
import type * as sweepHistory from "../sweepHistory.js";
import type * as sweepSessions from "../sweepSessions.js";
import type * as totals from "../totals.js";
import type * as versions from "../versions.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";
import { anyApi, componentsGeneric } from "convex/server";

const fullApi: ApiFromModules<{
  announcements: typeof announcements;
  append: typeof append;
  archives: typeof archives;
  changes: typeof changes;
  chunks: typeof chunks;
  committedTs: typeof committedTs;
  compact: typeof compact;
  compactAll: typeof compactAll;
  crons: typeof crons;
  deltaPack: typeof deltaPack;
  epochs: typeof epochs;
  exporting: typeof exporting;
  foldArchives: typeof foldArchives;
  follower: typeof follower;
  followerTables: typeof followerTables;
  guards: typeof guards;
  heads: typeof heads;
  health: typeof health;
  historySettings: typeof historySettings;
  historyTables: typeof historyTables;
  importChunks: typeof importChunks;
  importJobs: typeof importJobs;
  importTables: typeof importTables;
  imports: typeof imports;
  leaves: typeof leaves;
  log: typeof log;
  measure: typeof measure;
  mergeOrdered: typeof mergeOrdered;
  moves: typeof moves;
  parts: typeof parts;
  pointInTime: typeof pointInTime;
  presence: typeof presence;
  purge: typeof purge;
  purgeHistory: typeof purgeHistory;
  purgeMark: typeof purgeMark;
  readers: typeof readers;
  rebuild: typeof rebuild;
  receipts: typeof receipts;
  registry: typeof registry;
  removeSession: typeof removeSession;
  restores: typeof restores;
  resync: typeof resync;
  retire: typeof retire;
  retryFailed: typeof retryFailed;
  sessionTables: typeof sessionTables;
  sessions: typeof sessions;
  settings: typeof settings;
  states: typeof states;
  stream: typeof stream;
  sweep: typeof sweep;
  sweepHistory: typeof sweepHistory;
  sweepSessions: typeof sweepSessions;
  totals: typeof totals;
  versions: typeof versions;
}> = anyApi as any;

/**
 * A utility for referencing Convex functions in your app's public API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
export const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
> = anyApi as any;

/**
 * A utility for referencing Convex functions in your app's internal API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = internal.myModule.myFunction;
 * ```
 */
export const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
> = anyApi as any;

export const components = componentsGeneric() as unknown as {
  workpool: import("@convex-dev/workpool/_generated/component.js").ComponentApi<"workpool">;
  importPool: import("@convex-dev/workpool/_generated/component.js").ComponentApi<"importPool">;
  batchWorker: import("@convex-dev/batch-worker/_generated/component.js").ComponentApi<"batchWorker">;
  shardedCounter: import("@convex-dev/sharded-counter/_generated/component.js").ComponentApi<"shardedCounter">;
  aggregate: import("@convex-dev/aggregate/_generated/component.js").ComponentApi<"aggregate">;
};
