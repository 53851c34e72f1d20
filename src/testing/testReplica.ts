import type { AnyCollection } from "../collections/index.js";
import type { LeaderElection, TabChannel } from "../client/ports/tabs.js";
import type { Randomness } from "../client/ports/clock.js";
import type { TabMessage } from "../client/base/tabMessages.js";
import { LocalReplica } from "../client/replica.js";
import { MemoryDatabase, MemoryStorage } from "../client/store/memoryStorage.js";
import { soleChannel, soleElection } from "../client/tabs/soleTab.js";
import { ConvexTransport } from "../client/transport/convexTransport.js";
import type { Replica } from "../client/base/types.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import type { ManualClock } from "./manualClock.js";
import type { SimulatedClient } from "./simulatedNetwork.js";

/** A profile: its local database and its tabs outlive any replica on them. */
export class TestProfile {
  readonly database = new MemoryDatabase();
  readonly #queue: { onElected: () => void }[] = [];
  readonly #channels = new Set<MemoryChannel>();

  /** First come, first served; passed on when the leader ends, as a Web Lock is. */
  readonly election: LeaderElection = {
    campaign: (onElected) => {
      const candidate = { onElected };
      this.#queue.push(candidate);
      if (this.#queue[0] === candidate) queueMicrotask(() => this.#queue[0] === candidate && onElected());
      return () => {
        const wasLeader = this.#queue[0] === candidate;
        const at = this.#queue.indexOf(candidate);
        if (at >= 0) this.#queue.splice(at, 1);
        const [next] = this.#queue;
        if (wasLeader && next) queueMicrotask(() => this.#queue[0] === next && next.onElected());
      };
    },
  };

  openChannel(): TabChannel<TabMessage> {
    const channel = new MemoryChannel(this.#channels);
    this.#channels.add(channel);
    return channel;
  }
}

class MemoryChannel implements TabChannel<TabMessage> {
  readonly #all: Set<MemoryChannel>;
  #listener: (message: TabMessage) => void = () => {};

  constructor(all: Set<MemoryChannel>) {
    this.#all = all;
  }

  post(message: TabMessage): void {
    for (const other of this.#all) {
      const copy = structuredClone(message);
      if (other !== this) queueMicrotask(() => this.#all.has(other) && other.#listener(copy));
    }
  }

  onMessage(listener: (message: TabMessage) => void): void {
    this.#listener = listener;
  }

  close(): void {
    this.#all.delete(this);
  }
}

/** Randomness that a seed decides. */
export function seededRandomness(seed: number): Randomness {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0; // mulberry32
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const word = () => Math.floor(next() * 2 ** 32);
  return {
    fraction: next,
    author: () => word() || 1,
    id: () => `${word().toString(36)}-${word().toString(36)}`,
  };
}

export interface TestReplicaOptions<Cs extends readonly AnyCollection[]> {
  readonly api: ReplicaApi;
  readonly client: SimulatedClient;
  readonly collections: Cs;
  readonly clock: ManualClock;
  readonly randomness: Randomness;
  /** Tabs that share one; omitted: a profile of its own, with no other tab. */
  readonly profile?: TestProfile;
  /** Whether other tabs are open on the profile. */
  readonly hasTabs?: boolean;
}

/** A replica in memory, on a simulated connection, in time that the test drives. */
export function openTestReplica<const Cs extends readonly AnyCollection[]>({
  api,
  client,
  collections,
  clock,
  randomness,
  profile = new TestProfile(),
  hasTabs = false,
}: TestReplicaOptions<Cs>): Replica<Cs[number]> {
  const replica = new LocalReplica({
    collections,
    user: null,
    storage: new MemoryStorage(profile.database),
    transport: new ConvexTransport(client, api),
    election: hasTabs ? profile.election : soleElection,
    channel: hasTabs ? profile.openChannel() : soleChannel,
    clock,
    randomness,
  });
  void replica.start();
  return replica as unknown as Replica<Cs[number]>;
}
