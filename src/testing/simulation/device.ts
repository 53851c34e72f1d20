import type { Stored, StoredTransaction } from "../../client/ports/storage.js";
import { SeededRandom } from "../random.js";
import type { Link } from "./connection.js";
import { Disk, type StorageMethod } from "./disk.js";
import { Profile } from "./profile.js";
import type { Releases } from "./releases.js";
import type { DeviceSetup, Want } from "./script.js";
import type { Server } from "./server.js";
import { Tab } from "./tab.js";
import type { Timeline } from "./timeline.js";

const usualLatencyMs = 40;
const mostTabs = 3;

/** What is seen of a device from outside. */
export interface DeviceObserver {
  /** In the very instant in which something took effect on its disk. */
  onStored(device: Device, method: StorageMethod): void;
  onSend(device: Device, args: object): void;
}

/** A browser profile: what its tabs have in common, which outlives each of them. */
export class Device {
  readonly index: number;
  readonly user: string | null;
  readonly link: Link;
  readonly disk: Disk;
  wants: readonly Want[];
  readonly tabs: Tab[] = [];
  readonly skew = { ms: 0 };
  /** The release of the app that tabs load which are opened from now on. */
  version = 1;
  /** What a tab would read that opened the database in this instant; null: there is none yet. */
  onDisk: Stored | null = null;
  /** Every transaction that ever was on the disk, in outbox order. */
  readonly stored = new Map<string, StoredTransaction>();
  /** Those of them about which the user has decided. */
  readonly decided = new Set<string>();
  /** Those that had left the outbox while what the device held was of an epoch that had ended on the server. */
  readonly settledBefore = new Set<string>();
  /** Whether data of a scope that is not read any more may be kept. */
  keepsOther = false;
  /** Whether it may have lost documents with the scope that steady ones are in, and what was pending on them. */
  mayHaveLost = false;
  readonly #releases: Releases;
  readonly #timeline: Timeline;
  readonly #server: Server;
  readonly profile: Profile;
  readonly #seed: number;
  readonly #shows: number;
  readonly #observer: DeviceObserver;
  #opened = 0;

  constructor(
    index: number,
    seed: number,
    { user, wants, shows = 0 }: DeviceSetup,
    releases: Releases,
    timeline: Timeline,
    server: Server,
    observer: DeviceObserver,
  ) {
    this.index = index;
    this.user = user;
    this.#shows = shows;
    this.wants = wants;
    this.#releases = releases;
    this.#timeline = timeline;
    this.#server = server;
    this.#observer = observer;
    this.#seed = Math.imul(seed + 1, 2654435761) + Math.imul(index + 1, 40503);
    this.link = { user, isOnline: true, latencyMs: usualLatencyMs, ...noTrouble };
    this.disk = new Disk(timeline, new SeededRandom(this.#seed + 2), (stored, method) => {
      this.onDisk = stored;
      for (const { transaction } of stored.outbox)
        if (!this.stored.has(transaction.id)) this.stored.set(transaction.id, transaction);
      observer.onStored(this, method);
    });
    this.profile = new Profile(timeline, new SeededRandom(this.#seed + 3));
  }

  get livingTabs(): Tab[] {
    return this.tabs.filter(({ life }) => life.isAlive);
  }

  open(): void {
    if (this.livingTabs.length >= mostTabs) return;
    const count = ++this.#opened;
    const host = {
      timeline: this.#timeline,
      server: this.#server,
      disk: this.disk,
      profile: this.profile,
      link: this.link,
      skew: this.skew,
      releases: this.#releases,
      version: this.version,
      user: this.user,
      wants: this.wants,
      shows: this.#shows,
      onSend: (args: object) => this.#observer.onSend(this, args),
      onDeath: () => {},
    };
    this.tabs.push(new Tab(`${this.index}.${count}`, this.#seed + count * 7919, host));
  }

  want(want: Want): void {
    if (!this.wants.some((other) => isSame(other, want))) this.wants = [...this.wants, want];
    for (const tab of this.livingTabs) tab.subscribe(want);
  }

  unwant(want: Want, keepData: boolean): void {
    this.wants = this.wants.filter((other) => !isSame(other, want));
    this.keepsOther = true;
    this.mayHaveLost = true;
    for (const tab of this.livingTabs) tab.unsubscribe(want, keepData);
  }

  /** The living tab that a step means, if it can be used; there may be fewer than it counts on. */
  tab(index: number): Tab | undefined {
    const living = this.livingTabs;
    return living[index % Math.max(1, living.length)];
  }

  goOffline(): void {
    this.link.isOnline = false;
    for (const { connection } of this.livingTabs) connection.disconnect();
  }

  goOnline(): void {
    this.link.isOnline = true;
    for (const { connection } of this.livingTabs) connection.connectSoon();
  }

  /** Everything that is wrong with it is put right, and tabs of an older release make way for one of the newest. */
  heal(): void {
    const { newest } = this.#releases;
    this.version = newest;
    Object.assign(this.link, { user: this.user, latencyMs: usualLatencyMs, ...noTrouble });
    this.disk.repair();
    for (const { life, connection } of this.livingTabs) {
      life.spare();
      life.thaw();
      connection.reauthenticate();
    }
    this.goOnline();
    for (const tab of this.livingTabs) if (tab.version < newest) void tab.close();
    if (!this.livingTabs.some((tab) => tab.version === newest)) this.open();
  }
}

function isSame(a: Want, b: Want): boolean {
  return a.collection === b.collection && a.scope === b.scope;
}

const noTrouble = { lostRequests: 0, lostAnswers: 0, duplicates: 0, failures: 0 };
