import type { AnyCollection } from "../collections/index.js";
import type { CampaignOptions, LeaderElection, TabChannel, TabLifecycle } from "../client/ports/tabs.js";
import type { Randomness } from "../client/ports/clock.js";
import type { StorageSpace } from "../client/ports/storageSpace.js";
import type { Storage } from "../client/ports/storage.js";
import type { TabMessage } from "../client/base/tabMessages.js";
import { LocalReplica } from "../client/replica.js";
import { MemoryDatabase, MemoryStorage } from "../client/store/memoryStorage.js";
import { alwaysRunning, soleChannel, soleElection } from "../client/tabs/soleTab.js";
import { ConvexTransport } from "../client/transport/convexTransport.js";
import { plainOverrides, type OverridesOf } from "../client/base/overrides.js";
import type { Replica } from "../client/base/types.js";
import type { RowsResult } from "../shared/rowsWire.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import type { ManualClock } from "./manualClock.js";
import type { SimulatedClient } from "./simulatedNetwork.js";

/** A profile: its local database and its tabs outlive any replica on them. */
export class TestProfile {
  readonly database = new MemoryDatabase();
  readonly #queue: { onElected: () => void; onLost: () => void }[] = [];
  readonly #channels = new Set<MemoryChannel>();

  /** First come, first served; passed on when the leader ends, as a Web Lock is. */
  readonly election: LeaderElection = {
    campaign: (onElected, { onLost = () => {}, byForce = false } = {}) => {
      const candidate = { onElected, onLost };
      const robbed = byForce ? this.#queue.shift() : undefined;
      if (byForce) this.#queue.unshift(candidate);
      else this.#queue.push(candidate);
      robbed?.onLost();
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

  /** @param instead - methods that its database has in place of its own, which they are given */
  openTab(instead: (own: Storage) => Partial<Storage> = () => ({})): TestTab {
    const channel = new MemoryChannel(this.#channels);
    this.#channels.add(channel);
    return new TestTab(this, channel, instead);
  }
}

/** One tab of a profile, which a test can kill. */
export class TestTab {
  readonly storage: Storage;
  readonly channel: TabChannel<TabMessage>;
  readonly election: LeaderElection;
  /** What was asked of the database. */
  readonly asked: (keyof Storage)[] = [];
  readonly #endings: (() => void)[] = [];
  #isKilled = false;
  #isFrozen = false;
  #isRobbed = false;
  #wasTold = false;
  #onLost: () => void = () => {};
  #events: { onFreeze: () => void; onResume: () => void } | null = null;

  constructor(
    profile: TestProfile,
    channel: TabChannel<TabMessage>,
    instead: (own: Storage) => Partial<Storage>,
  ) {
    const own = new MemoryStorage(profile.database);
    const methods = instead(own);
    // What the tab asks of the database after its death is never done, and never answered.
    this.storage = new Proxy(own, {
      get: (_target, name: keyof Storage) => {
        const method = (methods[name] ?? own[name]) as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => {
          this.asked.push(name);
          return this.#isKilled ? new Promise(() => {}) : method.apply(own, args);
        };
      },
    });
    this.channel = channel;
    this.election = {
      campaign: (onElected, options: CampaignOptions = {}) => {
        if (this.#isKilled) return () => {};
        const onLost = () => void (this.#isFrozen ? (this.#isRobbed = true) : options.onLost?.());
        this.#onLost = () => options.onLost?.();
        const end = profile.election.campaign(onElected, { ...options, onLost });
        this.#endings.push(end);
        return end;
      },
    };
  }

  readonly lifecycle: TabLifecycle = {
    watch: (onFreeze, onResume) => {
      this.#events = { onFreeze, onResume };
      return () => void (this.#events = null);
    },
  };

  /** It runs no more: neither timers nor messages. @param isTold whether the browser tells it before */
  freeze({ isTold }: { readonly isTold: boolean }): void {
    if (isTold) this.announceFreeze();
    this.#isFrozen = true;
    (this.channel as MemoryChannel).pause();
  }

  /** The browser tells it that it will be frozen: it still runs for a moment. */
  announceFreeze(): void {
    this.#wasTold = true;
    this.#events?.onFreeze();
  }

  thaw(): void {
    this.#isFrozen = false;
    (this.channel as MemoryChannel).unpause();
    if (this.#isRobbed) this.#onLost();
    this.#isRobbed = false;
    if (this.#wasTold) this.#events?.onResume();
    this.#wasTold = false;
  }

  /** It dies without a word, as a tab does whose process is killed. */
  kill(): void {
    this.#isKilled = true;
    this.channel.close();
    for (const end of this.#endings) end();
  }
}

class MemoryChannel implements TabChannel<TabMessage> {
  readonly #all: Set<MemoryChannel>;
  #listener: (message: TabMessage) => void = () => {};
  #kept: TabMessage[] | null = null;

  constructor(all: Set<MemoryChannel>) {
    this.#all = all;
  }

  post(message: TabMessage): void {
    if (this.#kept !== null) return;
    for (const other of this.#all) {
      const copy = structuredClone(message);
      if (other !== this) queueMicrotask(() => this.#all.has(other) && other.#take(copy));
    }
  }

  /** What comes is kept, as a browser keeps it for a frozen page; what it would post is lost. */
  pause(): void {
    this.#kept = [];
  }

  unpause(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    for (const message of kept) this.#listener(message);
  }

  #take(message: TabMessage): void {
    if (this.#kept === null) this.#listener(message);
    else this.#kept.push(message);
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
  /** Sessions are joined only if `hasSessions`: an api that is made up at each access has every function. */
  readonly api: ReplicaApi;
  readonly hasSessions?: boolean;
  /** Omitted: nobody. */
  readonly user?: string;
  readonly client: SimulatedClient;
  readonly collections: Cs;
  readonly clock: ManualClock;
  readonly randomness: Randomness;
  /** Omitted: the only tab of its profile. */
  readonly tab?: TestTab;
  /** Omitted: a profile of its own. */
  readonly profile?: TestProfile;
  readonly overrides?: OverridesOf<Cs>;
  readonly hydrate?: readonly RowsResult[];
  readonly space?: StorageSpace;
}

/** For where nobody joins one. */
export function withoutSessions({ push, pull, status, pullPart }: ReplicaApi): ReplicaApi {
  return { push, pull, status, ...(pullPart && { pullPart }) };
}

/** A replica in memory, on a simulated connection, in time that the test drives. */
export function openTestReplica<const Cs extends readonly AnyCollection[]>({
  api,
  hasSessions = false,
  user,
  client,
  collections,
  clock,
  randomness,
  tab,
  profile = new TestProfile(),
  overrides,
  hydrate = [],
  space,
}: TestReplicaOptions<Cs>): Replica<Cs[number]> {
  const replica = new LocalReplica({
    collections,
    user: user ?? null,
    storage: tab?.storage ?? new MemoryStorage(profile.database),
    transport: new ConvexTransport(client, hasSessions ? api : withoutSessions(api), user ?? null),
    election: tab?.election ?? soleElection,
    channel: tab?.channel ?? soleChannel,
    lifecycle: tab?.lifecycle ?? alwaysRunning,
    clock,
    randomness,
    overrides: plainOverrides(overrides),
    hydrate,
    ...(space && { space }),
  });
  void replica.start();
  return replica as unknown as Replica<Cs[number]>;
}
