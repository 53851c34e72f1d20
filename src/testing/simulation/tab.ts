import type { AnyCollection, PlainRow } from "../../collections/index.js";
import type { Replica, Subscription, Transaction } from "../../client/base/types.js";
import { alwaysRunning } from "../../client/tabs/soleTab.js";
import { LocalReplica } from "../../client/replica.js";
import { ConvexTransport } from "../../client/transport/convexTransport.js";
import { SeededRandom } from "../random.js";
import { seededRandomness } from "../testReplica.js";
import { Connection, type Link } from "./connection.js";
import type { Disk } from "./disk.js";
import { Life } from "./life.js";
import type { Profile } from "./profile.js";
import type { Releases } from "./releases.js";
import type { Want } from "./script.js";
import type { Server } from "./server.js";
import { SkewedClock, type Timeline } from "./timeline.js";

/** What a tab needs of the device that it is on. */
export interface TabHost {
  readonly timeline: Timeline;
  readonly server: Server;
  readonly disk: Disk;
  readonly profile: Profile;
  readonly link: Link;
  readonly skew: { ms: number };
  readonly releases: Releases;
  /** Which release of the app it has loaded. */
  readonly version: number;
  /** Who uses the device, signed in or not; null: somebody who never is. */
  readonly user: string | null;
  readonly wants: readonly Want[];
  /** Of so many rows of each collection is its screen. */
  readonly shows: number;
  /** In the very instant in which a tab hands a push over to its connection. */
  onSend(args: object): void;
  onDeath(tab: Tab): void;
}

/** A transaction that was made on a tab, as the app's code holds it. */
export interface Made {
  readonly transaction: Transaction;
  /** Whether `durable` has resolved, and this tab lived to see it. */
  isDurable: boolean;
}

/** One tab: the real replica over a disk, a network, a clock and neighbours that are simulated. */
export class Tab {
  readonly name: string;
  readonly life: Life;
  readonly connection: Connection;
  readonly version: number;
  readonly replica: Replica;
  readonly made: Made[] = [];
  readonly errors: { readonly error: Error; readonly dataAtRisk: boolean }[] = [];
  readonly collections: readonly AnyCollection[];
  readonly #subscriptions = new Map<string, Subscription>();
  isReady = false;
  #isClosing = false;
  /** Whether what it shows may be another since it was looked at. */
  isDirty = true;

  constructor(name: string, seed: number, host: TabHost) {
    this.name = name;
    this.version = host.version;
    this.collections = host.releases.collections(host.version);
    const { timeline, server, disk, profile, link, skew, user } = host;
    this.life = new Life(() => {
      profile.bury(this.life);
      this.connection.close();
      host.onDeath(this);
    });
    this.connection = new Connection(timeline, new SeededRandom(seed + 1), server, link, this.life, (args) =>
      host.onSend(args),
    );
    const guard = (callback: () => void) => () => this.life.deliver(callback);
    const replica = new LocalReplica({
      collections: this.collections,
      user,
      storage: disk.open(this.life),
      transport: new ConvexTransport(this.connection, server.backend.api, user),
      election: profile.election(this.life),
      channel: profile.channel(this.life),
      lifecycle: alwaysRunning,
      overrides: new Map(),
      clock: new SkewedClock(timeline, skew, guard),
      randomness: seededRandomness(seed),
    });
    this.replica = replica;
    this.replica.events.on("documentsChanged", () => void (this.isDirty = true));
    this.replica.events.on("error", (told) => void (this.life.isAlive && this.errors.push(told)));
    void replica.start();
    replica.ready.then(
      () => void (this.isReady = true),
      (error: unknown) => this.errors.push({ error: error as Error, dataAtRisk: false }),
    );
    for (const want of host.wants) this.subscribe(want);
    if (host.shows > 0) this.#show(host.shows);
  }

  /** Keeps so many rows of each collection on its screen. */
  #show(limit: number): void {
    for (const definition of this.collections)
      this.replica
        .collection(definition)
        .query({ orderBy: ["id", "desc"], limit } as never)
        .subscribe(() => {});
  }

  rowsOf(collection: string): readonly PlainRow[] {
    return [...this.replica.collection(this.#definition(collection)).rows()] as PlainRow[];
  }

  /** Whether the app's code can run on it. */
  get isUsable(): boolean {
    return this.life.isAlive && !this.life.isFrozen && this.isReady && !this.#isClosing;
  }

  /** Keeps a transaction that the app's code has just made. */
  note(transaction: Transaction): void {
    const made: Made = { transaction, isDurable: false };
    this.made.push(made);
    transaction.durable.then(
      () => void (made.isDurable = this.life.isAlive),
      () => {},
    );
  }

  /** The app on a tab that is being closed wants nothing more. */
  subscribe(want: Want): void {
    const key = keyOf(want);
    if (this.#isClosing || this.#subscriptions.has(key)) return;
    const definition = this.#definition(want.collection);
    const options = definition.scope === undefined ? {} : { scopes: [want.scope] };
    this.#subscriptions.set(key, this.replica.subscribe(definition, options as never));
  }

  unsubscribe(want: Want, keepData: boolean): void {
    this.#subscriptions.get(keyOf(want))?.stop({ keepData });
    this.#subscriptions.delete(keyOf(want));
  }

  /** As a user closes it: it has time to end in order. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.replica.close();
    this.life.end();
  }

  #definition(collection: string): AnyCollection {
    return this.collections.find(({ name }) => name === collection) as AnyCollection;
  }
}

function keyOf({ collection, scope }: Want): string {
  return `${collection}\0${scope}`;
}
