// The SDK through its public API alone.
import {
  createReplica,
  type Query,
  type Replica,
  type ReplicaStatus,
  type Storage,
} from "../../src/client/index.js";
import { endOfCommit, startCursor } from "../../src/shared/wire.js";
import { api, FakeServer } from "./fakeServer.js";
import { Editor, endOf, entriesOf, visit, type Form } from "./history.js";
import { countries, places, type Place } from "./places.js";
import type { Opened, Subject, Writes } from "./subject.js";

/** Where rows are kept: a store of one's own each time it is called, on what was stored before. */
export type OpenStorage = (() => Storage) | undefined;

const form: Form = "snapshots";
export const byPopulation = ["population", "desc"] as const;

export interface Traffic {
  readonly ms: number;
  readonly pulls: number;
  readonly pushes: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export class Ours implements Subject {
  readonly #openStorage: OpenStorage;
  #replica: Replica<typeof places> | null = null;
  #server = new FakeServer();

  constructor(openStorage: OpenStorage = undefined) {
    this.#openStorage = openStorage;
  }

  #open(server: FakeServer): Replica<typeof places> {
    this.#server = server;
    const storage = this.#openStorage === undefined ? {} : { storage: this.#openStorage() };
    this.#replica = createReplica({
      client: server,
      api,
      collections: [places],
      name: "bench",
      user: null,
      ...storage,
    });
    return this.#replica;
  }

  async close(): Promise<void> {
    await this.#replica?.close();
    this.#replica = null;
  }

  async firstLoad(rows: readonly Place[], as: Form = form): Promise<number> {
    return (await this.firstLoadCounted(rows, as)).ms;
  }

  async firstLoadCounted(rows: readonly Place[], as: Form = form): Promise<Traffic> {
    const server = new FakeServer();
    server.load("", entriesOf(rows, as));
    server.prepare("places", "", startCursor);
    const start = performance.now();
    const replica = this.#open(server);
    await replica.subscribe(places).loaded;
    const ms = performance.now() - start;
    assertSize(replica, rows.length);
    await this.close();
    return { ms, ...server.counts };
  }

  /** The server has nothing new. */
  async reopen(count: number, isConnected = true): Promise<Required<Opened>> {
    const server = new FakeServer({ newest: endOf(count), isConnected });
    const start = performance.now();
    const replica = this.#open(server);
    const collection = replica.collection(places);
    const first = collection.query({ orderBy: byPopulation, limit: 50 });
    const shown = isShown(first, 50, start);
    replica.subscribe(places);
    await replica.ready;
    const ready = performance.now() - start;
    const { first: shown50, last, stop } = await shown;
    if (collection.size < count)
      await new Promise<void>((resolve) => {
        const off = collection.subscribe(() => {
          if (collection.size < count) return;
          off();
          resolve();
        });
      });
    let sum = 0;
    for (const row of collection.rows()) sum += row.population > 0 ? 1 : 0;
    const whole = performance.now() - start;
    if (collection.size !== count || sum === 0)
      throw new Error(`Of ${count} rows ${collection.size} are there.`);
    stop();
    return { ready, shown50, first50: last(), whole };
  }

  /** A session in which the 50 largest are shown, for so long that the device has kept what is on the screen. */
  async show(count: number): Promise<void> {
    await this.hold(count);
    this.#replica!.collection(places)
      .query({ orderBy: byPopulation, limit: 50 })
      .subscribe(() => {});
    // A screen is told after 1 s, and kept once nothing was written for 2.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
  }

  /** Open, with everything settled that an open replica does. */
  async hold(count: number): Promise<void> {
    await this.reopen(count);
    await this.#caughtUp();
  }

  async deltas(rows: readonly Place[], rounds: number, documents = 100): Promise<number[]> {
    await this.reopen(rows.length);
    await this.#caughtUp();
    const collection = this.#replica!.collection(places);
    const editor = new Editor(7 + documents); // under an id that nobody has written under
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await this.#server.atRest();
      const tell = this.#server.commit("", editsOf(editor, rows, 100, documents, round));
      const seen = new Promise<void>((resolve) => {
        const off = collection.subscribe(() => {
          off();
          resolve();
        });
      });
      const start = performance.now();
      tell();
      await seen;
      times.push(performance.now() - start);
      const last = rows[(round * documents) % (rows.length - documents)]!;
      if (collection.get(last.id)?.note === undefined) throw new Error("The deltas have not arrived.");
      await this.#caughtUp();
    }
    return times;
  }

  /**
   * Each after the one before is durable.
   *
   * @param how - `online`: pushes go on beside; `listed`: and the 50 largest are shown by a live query, as in an app
   */
  async write(
    rows: readonly Place[],
    count: number,
    how: "offline" | "online" | "listed" = "online",
  ): Promise<Writes> {
    const isOnline = how !== "offline";
    await this.reopen(rows.length, isOnline);
    if (isOnline) await this.#caughtUp();
    const collection = this.#replica!.collection(places);
    if (how === "listed") collection.query({ orderBy: byPopulation, limit: 50 }).subscribe(() => {});
    const [visible, durable]: [number[], number[]] = [[], []];
    for (let n = 0; n < count; n++) {
      const { id } = rows[(n * 37) % rows.length]!;
      const start = performance.now();
      const write = collection.update(id, (draft) => void (draft.note = `note ${n}, ${how}`));
      visible.push(performance.now() - start);
      await write.durable;
      durable.push(performance.now() - start);
    }
    if (isOnline) await this.#replica!.flush();
    return { visible, durable };
  }

  /** @param everyMs - between two edits; 0: all in one go */
  async rapidEdits(
    rows: readonly Place[],
    edits: number,
    documents: number,
    everyMs: number,
  ): Promise<Traffic> {
    await this.reopen(rows.length);
    await this.#caughtUp();
    const collection = this.#replica!.collection(places);
    const before = { ...this.#server.counts };
    const start = performance.now();
    for (let n = 0; n < edits; n++) {
      while (performance.now() - start < n * everyMs) await new Promise((resolve) => setTimeout(resolve, 1));
      collection.update(rows[n % documents]!.id, (draft) => {
        draft.note = `draft ${n} of a note`;
        draft.visits.increment();
      });
    }
    await this.#replica!.flush();
    const ms = performance.now() - start;
    return { ms, ...difference(this.#server.counts, before) };
  }

  /**
   * A day offline: this device has edited `own` documents, others `theirs`, each a few times, some of them the same.
   * From the connection to the last of it on both sides.
   */
  async catchUp(rows: readonly Place[], own: number, theirs: number, edits: number): Promise<Traffic> {
    const server = new FakeServer({ newest: endOf(rows.length), isConnected: false });
    const replica = this.#open(server);
    await this.#until(({ isOpening }) => !isOpening);
    replica.subscribe(places);
    const collection = replica.collection(places);
    for (let n = 0; n < own; n++)
      collection.update(rows[n * 3]!.id, (draft) => void (draft.status = "surveyed"));
    for (let n = 0; n < own; n++) collection.update(rows[n * 3]!.id, (draft) => draft.visits.increment());
    await Promise.all(replica.transactions.list().map(({ durable }) => durable));
    const editor = new Editor(7);
    for (let round = 0; round < edits; round++)
      server.commit("", editsOf(editor, rows, theirs, theirs, round, 0));
    server.prepare("places", "", { ts: endOf(rows.length), document: endOfCommit });
    const start = performance.now();
    server.connect();
    await replica.flush();
    await this.#caughtUp();
    const ms = performance.now() - start;
    if (collection.get(rows[0]!.id)?.note === undefined) throw new Error("The deltas have not arrived.");
    return { ms, ...server.counts };
  }

  #caughtUp(): Promise<void> {
    return this.#until(({ scopes }) => scopes.some(({ state }) => state === "live"));
  }

  async #until(isSo: (status: ReplicaStatus) => boolean): Promise<void> {
    const { status } = this.#replica!;
    if (isSo(status.get())) return;
    await new Promise<void>((resolve) => {
      const off = status.subscribe(() => {
        if (!isSo(status.get())) return;
        off();
        resolve();
      });
    });
  }
}

/** Questions that a device asks that is opened again: one for each of its scopes. */
export async function callsPerReopen(rows: readonly Place[], openStorage: OpenStorage) {
  const scopes = [...new Set(rows.map(({ country }) => country))];
  const server = new FakeServer();
  for (const scope of scopes)
    server.load(
      scope,
      entriesOf(
        rows.filter(({ country }) => country === scope),
        form,
      ),
    );
  const open = async () => {
    const storage = openStorage === undefined ? {} : { storage: openStorage() };
    const options = { client: server, api, collections: [countries] as const, name: "countries", user: null };
    const replica = createReplica({ ...options, ...storage });
    replica.subscribe(countries, { scopes });
    const isLive = () => {
      const read = replica.status.get().scopes;
      return read.length === scopes.length && read.every(({ state }) => state === "live");
    };
    await new Promise<void>((resolve) => {
      const off = replica.status.subscribe(() => {
        if (!isLive()) return;
        off();
        resolve();
      });
    });
    return replica;
  };
  await (await open()).close();
  const before = server.counts.pulls;
  const replica = await open();
  const found = {
    scopes: scopes.length,
    calls: server.counts.pulls - before,
    rows: replica.collection(countries).size,
  };
  await replica.close();
  return found;
}

function editsOf(
  editor: Editor,
  rows: readonly Place[],
  count: number,
  documents: number,
  round: number,
  step = documents,
) {
  return Array.from({ length: count }, (_, n) => {
    const row = rows[((round * step) % (rows.length - documents)) + (n % documents)]!;
    const bytes = editor.edit(row, form, visit(round * count + n)).buffer;
    return { document: row.id, bytes };
  });
}

/** Resolves when the query gives so many rows: when it first did; and when it last changed, until it is told to stop. */
function isShown(
  query: Query<typeof places>,
  count: number,
  start: number,
): Promise<{ first: number; last(): number; stop(): void }> {
  let last = NaN;
  return new Promise((resolve) => {
    const look = () => {
      if (query.current.length < count) return;
      last = performance.now() - start;
      resolve({ first: last, last: () => last, stop });
    };
    const stop = query.subscribe(look);
    look();
  });
}

function assertSize(replica: Replica<typeof places>, count: number): void {
  const { size } = replica.collection(places);
  if (size !== count) throw new Error(`Of ${count} rows ${size} are there.`);
}

function difference(after: FakeServer["counts"], before: FakeServer["counts"]): FakeServer["counts"] {
  return {
    pulls: after.pulls - before.pulls,
    pushes: after.pushes - before.pushes,
    bytesSent: after.bytesSent - before.bytesSent,
    bytesReceived: after.bytesReceived - before.bytesReceived,
  };
}
