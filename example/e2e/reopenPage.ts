// What runs in the browser for reopen.test.ts: a replica on its own, with no server.
import { v } from "convex/values";
import { defineCollection } from "../../src/collections/index.js";
import type { StoredDocument } from "../../src/client/ports/storage.js";
import { systemClock, systemRandomness } from "../../src/client/ports/clock.js";
import { LocalReplica } from "../../src/client/replica.js";
import { IndexedDbStorage } from "../../src/client/store/indexedDbStorage.js";
import { alwaysRunning } from "../../src/client/tabs/soleTab.js";
import { BroadcastTabChannel, WebLockElection } from "../../src/client/tabs/webTabs.js";

const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    status: v.string(),
    population: v.number(),
    latitude: v.number(),
    longitude: v.number(),
    note: v.string(),
    assignee: v.optional(v.string()),
  },
  scope: (row) => row.country,
});

const databaseOf = (count: number) => `sites ${count}`;

function document(n: number): StoredDocument {
  const id = `site-${String(n).padStart(6, "0")}`;
  const row = {
    id,
    name: `Name of site ${n}`,
    country: "DE",
    status: n % 3 === 0 ? "surveyed" : "open",
    population: n * 17,
    latitude: 47 + n / 1e5,
    longitude: 8 + n / 1e5,
    note: `a note on site ${n}, as long as people write them when they have a minute or two`,
  };
  const base = crypto.getRandomValues(new Uint8Array(330));
  return { collection: "sites", id, scope: "DE", ts: 2n ** 60n + BigInt(n), row, base };
}

const api = {
  /** Stores so many documents, as a first load does. */
  async fill(count: number): Promise<void> {
    const storage = new IndexedDbStorage(databaseOf(count));
    await storage.open({ client: "c", author: 1 });
    const { meta } = await storage.takeOver();
    const scope = {
      collection: "sites",
      scope: "DE",
      cursor: { ts: 1n, document: "" },
      epoch: "0",
      isComplete: true,
    };
    for (let from = 0; from < count; from += 250) {
      const documents = Array.from({ length: Math.min(250, count - from) }, (_, n) => document(from + n));
      await storage.commit(meta.term, { documents, scopes: [scope] });
    }
    while (await storage.fold(meta.term));
    await storage.close();
    await copyForFloor(count);
  },

  /** The least it could take: to read the same bytes and to parse their JSON. In ms. */
  async floor(count: number): Promise<number> {
    const begin = performance.now();
    const db = await opened(`floor ${count}`);
    const pages = (await result(db.transaction("pages").objectStore("pages").getAll())) as ArrayBuffer[];
    const rows = pages.flatMap((page) => {
      const length = new DataView(page).getUint32(12, true);
      return (
        JSON.parse(new TextDecoder().decode(new Uint8Array(page, 16, length))) as { entries: unknown[] }
      ).entries;
    });
    const took = performance.now() - begin;
    db.close();
    if (rows.length !== count) throw new Error(`${rows.length} rows`);
    return took;
  },

  /** Opens a replica, in ms: until 50 rows are sorted, until all are there; and the longest slice meanwhile. */
  async open(count: number): Promise<{ first: number; all: number; longest: number; leader: number }> {
    const begin = performance.now();
    const longest = watchSlices();
    const replica = openReplica(count);
    const query = replica.collection(sites).query({ orderBy: ["name", "asc"], limit: 50 });
    await replica.ready;
    if (query.current.length !== 50) throw new Error(`${query.current.length} rows`);
    const first = performance.now() - begin;
    await until(replica, () => !replica.status.get().isOpening);
    const all = performance.now() - begin;
    await until(replica, () => replica.status.get().leader);
    const leader = performance.now() - begin;
    if (replica.collection(sites).size !== count) throw new Error(`${replica.collection(sites).size} rows`);
    Object.assign(globalThis, { replica });
    return { first, all, longest: longest(), leader };
  },

  /** Durable writes one after the other, in ms each. */
  async write(count: number, writes: number): Promise<number[]> {
    const replica = (globalThis as unknown as { replica: LocalReplica }).replica;
    const times: number[] = [];
    for (let n = 0; n < writes; n++) {
      const begin = performance.now();
      const id = `site-${String((n * 37) % count).padStart(6, "0")}`;
      await replica.collection(sites).update(id, (draft) => void (draft.population += 1)).durable;
      times.push(performance.now() - begin);
    }
    return times;
  },

  /** The rows alone, for comparison of what they take. */
  holdRows(count: number): void {
    Object.assign(globalThis, {
      rows: Array.from({ length: count }, (_, n) => JSON.parse(JSON.stringify(document(n).row)) as unknown),
    });
  },
};

export type ReopenPage = typeof api;
Object.assign(globalThis, { reopenPage: api });

function openReplica(count: number): LocalReplica {
  const replica = new LocalReplica({
    collections: [sites],
    user: null,
    storage: new IndexedDbStorage(databaseOf(count)),
    transport: {
      deployment: "none",
      isConnected: false,
      onConnectionChange: () => () => {},
      watchPull: () => () => {},
      push: () => Promise.reject(new Error("There is no server.")),
      status: () => Promise.reject(new Error("There is no server.")),
      sessions: null,
      watchPart: null,
    },
    election: new WebLockElection(databaseOf(count)),
    channel: new BroadcastTabChannel(databaseOf(count)),
    clock: systemClock,
    randomness: systemRandomness,
    overrides: new Map(),
    lifecycle: alwaysRunning,
  });
  void replica.start();
  return replica;
}

function until(replica: LocalReplica, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!condition()) return;
      off();
      resolve();
    };
    const off = replica.status.subscribe(check);
    queueMicrotask(check);
  });
}

/** The longest time, in ms, for which nothing else had its turn. */
function watchSlices(): () => number {
  const channel = new MessageChannel();
  let last = performance.now();
  let longest = 0;
  channel.port1.onmessage = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    channel.port2.postMessage(null);
  };
  channel.port2.postMessage(null);
  return () => {
    channel.port1.close();
    return longest;
  };
}

async function copyForFloor(count: number): Promise<void> {
  const from = await opened(databaseOf(count));
  const records = (await result(from.transaction("pages").objectStore("pages").getAll())) as {
    bytes: ArrayBuffer;
  }[];
  from.close();
  const to = await opened(
    `floor ${count}`,
    (db) => void db.createObjectStore("pages", { autoIncrement: true }),
  );
  const tx = to.transaction("pages", "readwrite");
  for (const { bytes } of records) tx.objectStore("pages").add(bytes);
  await new Promise((resolve) => (tx.oncomplete = resolve));
  to.close();
}

function opened(name: string, upgrade?: (db: IDBDatabase) => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name);
  request.onupgradeneeded = () => upgrade?.(request.result);
  return result(request);
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error as Error);
  });
}
