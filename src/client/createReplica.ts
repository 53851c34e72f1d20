import type { AnyCollection } from "../collections/index.js";
import { ReplicaError } from "./base/errors.js";
import { systemClock } from "./ports/clock.js";
import { createRandomness } from "./ports/randomness.js";
import type { Storage } from "./ports/storage.js";
import type { LeaderElection, TabChannel, TabLifecycle } from "./ports/tabs.js";
import { rememberUser } from "./lastUser.js";
import { LocalReplica } from "./replica.js";
import { browserSpace } from "./store/browserSpace.js";
import { IndexedDbStorage } from "./store/indexedDbStorage.js";
import { MemoryStorage } from "./store/memoryStorage.js";
import type { TabMessage } from "./base/tabMessages.js";
import { alwaysRunning, soleChannel, soleElection } from "./tabs/soleTab.js";
import { BroadcastTabChannel, pageLifecycle, WebLockElection } from "./tabs/webTabs.js";
import { ConvexTransport } from "./transport/convexTransport.js";
import { plainOverrides } from "./base/overrides.js";
import type { Replica, ReplicaOptions } from "./base/types.js";

/**
 * Opens the app's data on this device. Returns at once: rows are there when `ready` resolves, whether or not
 * there is a network.
 *
 * @throws ReplicaError `invalid_row` if two collections have one name, `unknown_collection` if `hydrate` holds rows of
 *   another one
 *
 * @example
 * ```ts
 * const replica = createReplica({ client, api: api.replicate, collections: [sites], name: "fieldbook", user: null });
 * await replica.ready;
 * replica.subscribe(sites, { scopes: ["FR"] });
 * replica.collection(sites).update("x", (draft) => { draft.status = "surveyed"; });
 * ```
 */
export function createReplica<const Cs extends readonly AnyCollection[]>(
  options: ReplicaOptions<Cs>,
): Replica<Cs[number]> {
  const { client, api, collections, name, user } = options;
  const names = collections.map((collection) => collection.name);
  if (new Set(names).size < names.length)
    throw new ReplicaError("invalid_row", `Two collections have the same name: ${names.join(", ")}.`);
  rememberUser(name, user);
  const transport = new ConvexTransport(client, api, user);
  // JSON keeps apart what a separator could not: names, addresses and users hold any character.
  const database = `convex-replicate ${JSON.stringify([name, transport.deployment, user])}`;
  const replica = new LocalReplica({
    collections,
    user,
    storage: options.storage ?? defaultStorage(database),
    space: browserSpace(),
    transport,
    ...tabsOf(database, options.storage === undefined),
    clock: systemClock,
    randomness: createRandomness(),
    overrides: plainOverrides(options.overrides),
    ...(options.hydrate === undefined ? {} : { hydrate: options.hydrate }),
  });
  void replica.start();
  return replica as unknown as Replica<Cs[number]>;
}

/** A browser without IndexedDB is an error that `ready` tells of: nobody expects of one that a reload loses all. */
function defaultStorage(database: string): Storage {
  const isBrowser = "document" in globalThis || "indexedDB" in globalThis;
  return isBrowser ? new IndexedDbStorage(database) : new MemoryStorage();
}

/** A storage of the app's own is not known to be shared with other tabs. */
function tabsOf(
  database: string,
  isShared: boolean,
): { election: LeaderElection; channel: TabChannel<TabMessage>; lifecycle: TabLifecycle } {
  const hasLocks = typeof navigator !== "undefined" && "locks" in navigator;
  const hasTabs = isShared && hasLocks && "indexedDB" in globalThis;
  if (!hasTabs) return { election: soleElection, channel: soleChannel, lifecycle: alwaysRunning };
  return {
    election: new WebLockElection(database),
    channel: new BroadcastTabChannel<TabMessage>(database),
    lifecycle: typeof document === "undefined" ? alwaysRunning : pageLifecycle,
  };
}
