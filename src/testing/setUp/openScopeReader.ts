// A reader of one scope as its tests drive it: they play the server, the disk and the clock.
import { endOfCommit, startCursor, type Page, type PullArgs, type PullResult } from "../../shared/wire.js";
import { ManualClock } from "../manualClock.js";
import { seededRandomness } from "../testReplica.js";
import type { ScopeState } from "../../client/base/types.js";
import type { StoredScope } from "../../client/ports/storage.js";
import type { Transport } from "../../client/ports/transport.js";
import { ScopeReader } from "../../client/stream/scopeReader.js";

export interface Watch {
  readonly args: PullArgs;
  isOpen: boolean;
  /** Also when it is closed: an answer can be under way. */
  answer(result: PullResult): void;
  fail(error: Error): void;
}

/** The server's part is played by the test. */
class HandTransport implements Transport {
  readonly deployment = "test";
  readonly isConnected = true;
  readonly sessions = null;
  readonly watchPart = null;
  readonly watches: Watch[] = [];
  /** `open 5`, `close 0`: which question, by its cursor. */
  readonly log: string[] = [];

  onConnectionChange(): () => void {
    return () => {};
  }

  watchPull(args: PullArgs, onResult: (result: PullResult) => void, onError: (error: unknown) => void) {
    const watch: Watch = { args, isOpen: true, answer: onResult, fail: onError };
    this.watches.push(watch);
    this.log.push(`open ${args.cursor.ts}`);
    return () => {
      if (watch.isOpen) this.log.push(`close ${args.cursor.ts}`);
      watch.isOpen = false;
    };
  }

  push(): Promise<never> {
    return Promise.reject(new Error("A reader pushes nothing."));
  }

  status(): Promise<never> {
    return Promise.reject(new Error("A reader pushes nothing."));
  }
}

export const turn = () => new Promise((resolve) => setImmediate(resolve));
export const at = (ts: number) => ({ ts: BigInt(ts), document: endOfCommit });
export const stored = (ts: number, isComplete: boolean): StoredScope => ({
  collection: "sites",
  scope: "DE",
  cursor: at(ts),
  epoch: "0",
  isComplete,
});

/** A page up to `ts` with so many entries. */
export function page(ts: number, entries: number, done: boolean, epoch = "0"): Page {
  return {
    type: "page",
    epoch,
    cursor: at(ts),
    done,
    entries: Array.from({ length: entries }, (_, n) => ({
      document: `d${n}`,
      ts: BigInt(ts),
      type: "update" as const,
      bytes: new ArrayBuffer(0),
    })),
  };
}

export function openScopeReader(position?: StoredScope) {
  const transport = new HandTransport();
  const clock = new ManualClock(0);
  const pages: { ts: number; entries: number; isComplete: boolean; isFirstLoad: boolean }[] = [];
  const calls = { forget: 0, read: 0, beginAnew: [] as string[] };
  const errors: unknown[] = [];
  const states: ScopeState[] = [];
  const storage = { nextError: null as Error | null, gate: Promise.resolve() };
  const store = async (write: () => void) => {
    await storage.gate;
    const error = storage.nextError;
    storage.nextError = null;
    if (error) throw error;
    write();
  };
  const reader: ScopeReader = new ScopeReader({
    collection: "sites",
    scope: "DE",
    transport,
    clock,
    randomness: { ...seededRandomness(1), fraction: () => 0.5 },
    stored: position,
    storePage: ({ entries }, { cursor, isComplete }, isFirstLoad) =>
      store(() => pages.push({ ts: Number(cursor.ts), entries: entries.length, isComplete, isFirstLoad })),
    forget: () => store(() => calls.forget++),
    beginAnew: async (epoch) => {
      await store(() => calls.beginAnew.push(epoch));
      return position && { ...position, cursor: startCursor };
    },
    onRead: () => void calls.read++,
    onChange: () => void states.push(reader.state),
    onIdle: () => {},
    onError: (error) => void errors.push(error),
  });
  return {
    reader,
    transport,
    clock,
    pages,
    calls,
    errors,
    states,
    storage,
    last: () => transport.watches.at(-1)!,
    /** The questions that are open, by their cursors. */
    open: () => transport.watches.filter((watch) => watch.isOpen).map(({ args }) => Number(args.cursor.ts)),
    async answer(result: PullResult) {
      transport.watches.at(-1)!.answer(result);
      await turn();
    },
    /** Makes storing wait. @returns what lets it go on */
    hold(): () => Promise<void> {
      let open!: () => void;
      storage.gate = new Promise((resolve) => (open = resolve));
      return async () => (open(), void (await turn()));
    },
  };
}
export type Reading = ReturnType<typeof openScopeReader>;

/** How each state is come to; in all that have a position it is 5. */
export const arrivals: Record<string, () => Promise<Reading>> = {
  bootstrapping: async () => {
    const world = openScopeReader();
    world.reader.start();
    return world;
  },
  "bootstrapping, reopened": async () => {
    const world = openScopeReader(stored(5, false));
    world.reader.start();
    return world;
  },
  catchingUp: async () => {
    const world = openScopeReader(stored(5, true));
    world.reader.start();
    return world;
  },
  live: async () => {
    const world = openScopeReader(stored(5, true));
    world.reader.start();
    await world.answer(page(5, 0, true));
    return world;
  },
  "denied at once": async () => {
    const world = openScopeReader();
    world.reader.start();
    await world.answer({ type: "denied" });
    return world;
  },
  error: async () => {
    const world = openScopeReader(stored(5, true));
    world.reader.start();
    world.last().fail(new Error("the query failed"));
    return world;
  },
};

export const events: Record<string, (world: Reading) => Promise<void> | void> = {
  "last page": (world) => world.answer(page(9, 2, true)),
  "last page, empty": (world) => world.answer(page(9, 0, true)),
  "page with more behind": (world) => world.answer(page(9, 2, false)),
  "empty page with more behind": (world) => world.answer(page(9, 0, false)),
  denied: (world) => world.answer({ type: "denied" }),
  reset: (world) => world.answer({ type: "reset", epoch: "1" }),
  "query error": (world) => world.last().fail(new Error("the query failed")),
  "storage error": (world) => {
    world.storage.nextError = new Error("the disk is full");
    return world.answer(page(9, 2, true));
  },
  disconnect: ({ reader }) => reader.onDisconnected(),
  stop: ({ reader }) => reader.stop(),
};
