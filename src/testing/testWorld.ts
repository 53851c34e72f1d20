// What tests of the whole client run in: the real client, functions and component, with a network between them that can
// be cut, in time that passes only while the test waits for something.
import { canonicalJson } from "../shared/canonicalJson.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import type { AnyCollection, InsertOf } from "../collections/index.js";
import type { ReplicaCollection, ReplicaEvents, Replica, Subscription } from "../client/base/types.js";
import type { Randomness } from "../client/ports/clock.js";
import type { Storage } from "../client/ports/storage.js";
import { sites, type FieldApp } from "./fieldApp.js";
import { ManualClock, until } from "./manualClock.js";
import { SimulatedNetwork, type Functions, type SimulatedClient } from "./simulatedNetwork.js";
import {
  openTestReplica,
  seededRandomness,
  TestProfile,
  type TestReplicaOptions,
  type TestTab,
} from "./testReplica.js";

/** The server: `createFieldApp()`, `createServerApp()` or `createVersionedApp()`. */
export interface TestApp {
  readonly t: Functions;
  readonly api: ReplicaApi;
}

type Collections = readonly [AnyCollection, ...AnyCollection[]];
type Sites = readonly [typeof sites];
type Passed = "hasSessions" | "user" | "overrides" | "hydrate" | "space";

/** What is omitted: a tab that reads nothing yet of `sites`, the first on a device of its own, online, signed in as nobody. */
export interface OpenOptions<Cs extends Collections = Sites> extends Partial<
  Pick<TestReplicaOptions<Cs>, Passed>
> {
  readonly collections?: Cs;
  /** The device: another tab on it, or the next session there. */
  readonly profile?: TestProfile;
  /** Of the first collection, all in one subscription. */
  readonly scopes?: readonly string[];
  /** What it calls in place of the app: the app under an identity, or functions that fail as the test says. */
  readonly functions?: Functions;
  readonly isOnline?: boolean;
  /** Some methods of its database, done in the test's way; they get the real one. */
  readonly storage?: (own: Storage) => Partial<Storage>;
}

/** A tab that a test has opened. */
export class OpenTab<Cs extends Collections = Sites> {
  readonly profile: TestProfile;
  readonly tab: TestTab;
  readonly client: SimulatedClient;
  readonly replica: Replica<Cs[number]>;
  /** Of its first collection. */
  readonly col: ReplicaCollection<Cs[0]>;
  /** To the scopes that it was opened with; null: none. */
  readonly subscription: Subscription | null;

  constructor(
    world: TestWorld<TestApp>,
    { profile = new TestProfile(), functions = world.app.t, ...options }: OpenOptions<Cs>,
  ) {
    const { isOnline = true, scopes, storage, ...passed } = options;
    const collections = options.collections ?? ([sites] as unknown as Cs);
    this.profile = profile;
    this.tab = profile.openTab(storage);
    this.client = world.network.connect(functions);
    if (!isOnline) this.client.disconnect();
    const { client, tab } = this;
    const parts = { api: world.app.api, client, clock: world.clock, randomness: world.randomness, tab };
    this.replica = openTestReplica<Cs>({ ...passed, ...parts, collections });
    if (world.keepsErrors) this.replica.events.on("error", (event) => world.errors.push(event));
    const [first] = collections;
    this.col = this.replica.collection(first);
    this.subscription = scopes === undefined ? null : this.replica.subscribe(first, { scopes } as never);
  }

  get status() {
    return this.replica.status.get();
  }

  /** Something is read, and all of it is up to date. */
  readonly isLive = (): boolean => {
    const { scopes } = this.status;
    return scopes.length > 0 && scopes.every(({ state }) => state === "live");
  };

  /** All that is read is up to date, and all that was written has been answered. */
  readonly isSettled = (): boolean => this.isLive() && !this.status.isOpening && this.status.pending === 0;

  /** The user leaves. What is pending stays stored. */
  async close(): Promise<void> {
    await this.replica.close();
    this.client.die();
  }

  /** Its process is gone, without a word. */
  kill(): void {
    this.client.die();
    this.tab.kill();
  }
}

export interface WorldOptions {
  /** Of all that is random. */
  readonly seed?: number;
  /** What tabs tell of goes to `errors`. Omitted: nobody listens, and an error that puts data at risk fails the test. */
  readonly keepsErrors?: boolean;
}

export class TestWorld<App extends TestApp> {
  readonly app: App;
  readonly network = new SimulatedNetwork();
  readonly clock = new ManualClock();
  readonly randomness: Randomness;
  readonly keepsErrors: boolean;
  readonly errors: ReplicaEvents["error"][] = [];

  constructor(app: App, { seed = 1, keepsErrors = false }: WorldOptions = {}) {
    this.app = app;
    this.randomness = seededRandomness(seed);
    this.keepsErrors = keepsErrors;
  }

  open<const Cs extends Collections = Sites>(options: OpenOptions<Cs> = {}): OpenTab<Cs> {
    return new OpenTab(this, options);
  }

  /** Lets everything go on, and then time, until that holds. @param mostMs of real time */
  readonly waitUntil = (condition: () => boolean | Promise<boolean>, mostMs?: number): Promise<void> =>
    until(this, condition, mostMs);

  /** Until all that the tab has written is completed or failed. */
  readonly settled = (
    { replica }: { readonly replica: Pick<Replica, "status"> },
    mostMs?: number,
  ): Promise<void> => this.waitUntil(() => replica.status.get().pending === 0, mostMs);

  /** Connects these tabs, and waits until none has anything to send or to read. */
  async connectAll(tabs: readonly Pick<OpenTab, "client" | "isSettled">[]): Promise<void> {
    await this.waitUntil(() => {
      for (const { client } of tabs) {
        client.release();
        client.reconnect(); // again: an answer may still have been lost
      }
      return tabs.every(({ isSettled }) => isSettled());
    });
    await this.network.refresh();
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    let hasPassed = false;
    this.clock.setTimer(() => void (hasPassed = true), ms);
    await this.waitUntil(() => hasPassed);
  }

  /** What is under way comes to its end; no time passes. */
  async quiet(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.network.inFlight > 0) quiet = 0;
    }
  }

  /** Some time passes: what is under way goes on, and a timer or two run out. */
  async runTimers(count: number): Promise<void> {
    for (let timer = 0; timer < count; timer++) {
      await this.quiet();
      this.clock.runNext();
    }
  }
}

/** What may happen to a connection, for tests that choose it at random. */
export const connectionEvents = {
  offline: (client) => client.disconnect(),
  online: (client) => client.reconnect(),
  loseAnswer: (client) => client.loseNextAnswer(),
  loseRequest: (client) => client.loseNextRequest(),
  hold: (client) => client.hold(),
  release: (client) => client.release(),
} satisfies Record<string, (client: SimulatedClient) => void>;

export function isConnectionEvent(type: string): type is keyof typeof connectionEvents {
  return type in connectionEvents;
}

type Site = InsertOf<typeof sites>;
/** What both apps with the sites have. */
interface SitesApp extends TestApp {
  writer<T>(work: (writer: SitesWriter) => Promise<T>): Promise<T>;
  rows(): Promise<readonly { readonly id: string; readonly visits: number }[]>;
}
interface SitesWriter {
  insertMany(rows: readonly Site[]): Promise<void>;
}

/** A world whose app has the sites. */
export class SitesWorld<App extends SitesApp = FieldApp> extends TestWorld<App> {
  /** A tab that has read its scopes; default: DE. */
  async openReader<const Cs extends Collections = Sites>(
    options: OpenOptions<Cs> = {},
  ): Promise<OpenTab<Cs>> {
    const tab = this.open({ scopes: ["DE"], ...options });
    await this.waitUntil(() => tab.subscription?.state === "live");
    return tab;
  }

  /** Inserts them on the server. */
  readonly seed = (...rows: readonly Site[]): Promise<void> =>
    this.app.writer((writer) => writer.insertMany(rows));

  /** The app's own row, as its functions see it. */
  async row(id: string): Promise<Awaited<ReturnType<App["rows"]>>[number] | undefined> {
    return (await this.app.rows()).find((row) => row.id === id);
  }
}

export const berlin = { id: "x", name: "Berlin", country: "DE" };

/** So many sites: `d0`, `d1`, … */
export function many(count: number, country = "DE"): (typeof berlin)[] {
  return Array.from({ length: count }, (_, n) => ({ id: `d${n}`, name: "n", country }));
}

/** Rows as text: equal if they are, in whatever order they and their fields come. */
export function textOf(rows: Iterable<{ readonly id: string }>): string {
  return canonicalJson([...rows].sort((a, b) => (a.id < b.id ? -1 : 1)) as never);
}
