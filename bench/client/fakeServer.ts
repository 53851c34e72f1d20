// The server as a client meets it, at no cost: pages of real update bytes are encoded before they are asked for, and
// pushes are accepted and come back. Everything passes as the JSON that Convex sends, so that its decoding, which the
// app's own ConvexClient does in the page, is part of what is measured.
import { getFunctionName, makeFunctionReference, type FunctionReference } from "convex/server";
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import type { ReplicaApi } from "../../src/client/index.js";
import { limits } from "../../src/shared/limits.js";
import {
  endOfCommit,
  type Cursor,
  type PullArgs,
  type PushArgs,
  type PushResult,
  type StateEntry,
} from "../../src/shared/wire.js";

export const api = {
  push: makeFunctionReference<"mutation">("bench:push"),
  pull: makeFunctionReference<"query">("bench:pull"),
  status: makeFunctionReference<"query">("bench:status"),
} as unknown as ReplicaApi;

interface Watch {
  readonly args: PullArgs;
  readonly onResult: (result: never) => unknown;
  /** The last answer, so that an equal one is not sent. */
  answered: string | null;
}

type Listener = (state: { isWebSocketConnected: boolean }) => void;

/** A server with one client. */
export class FakeServer {
  readonly client = { url: "https://bench.invalid" };
  /** Calls by function, and what both directions would take on a socket. */
  readonly counts = { pulls: 0, pushes: 0, bytesSent: 0, bytesReceived: 0 };
  readonly #streams = new Map<string, StateEntry[]>();
  readonly #pages = new Map<string, string>();
  readonly #watches = new Set<Watch>();
  readonly #listeners = new Set<Listener>();
  #newest: bigint;
  #isConnected: boolean;
  #lastPush: Promise<unknown> = Promise.resolve();
  #waiting: (() => void)[] = [];

  /**
   * @param newest - where the streams ended before what is held here: a client that has read so far asks for nothing
   * older
   */
  constructor({ newest = 0n, isConnected = true } = {}) {
    this.#newest = newest;
    this.#isConnected = isConnected;
  }

  /** Adds to a scope's stream, without telling anybody yet. */
  load(scope: string, entries: readonly StateEntry[]): void {
    const stream = this.#streamOf(scope);
    for (const entry of entries) stream.push(entry);
    this.#newest = entries.reduce((most, { ts }) => (ts > most ? ts : most), this.#newest);
    this.#pages.clear();
  }

  /** Encodes every page from this cursor on, so that asking costs nothing. */
  prepare(collection: string, scope: string, from: Cursor): void {
    let args: PullArgs = { collection, scope, cursor: from };
    for (;;) {
      const page = this.#pageOf(args);
      this.#pages.set(keyOf(args), encode(page));
      if (page.done) return;
      args = { ...args, cursor: page.cursor };
    }
  }

  /** A commit of other devices. @returns what tells the client */
  commit(scope: string, updates: readonly { document: string; bytes: ArrayBuffer }[]): () => void {
    const ts = this.#newest + 1n;
    this.load(
      scope,
      updates.map(({ document, bytes }) => ({ document, ts, type: "update", bytes })),
    );
    for (const { args } of this.#watches) this.prepare(args.collection, args.scope, args.cursor);
    return () => this.#refresh();
  }

  /** Resolves when every question is answered, and the client has done with the answers. */
  async atRest(): Promise<void> {
    do await task();
    while ([...this.#watches].some(({ answered }) => answered === null));
    await task();
  }

  connect(): void {
    this.#setConnected(true);
    for (const resume of this.#waiting.splice(0)) resume();
    this.#refresh();
  }

  connectionState(): { isWebSocketConnected: boolean } {
    return { isWebSocketConnected: this.#isConnected };
  }

  subscribeToConnectionState(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  onUpdate(
    query: FunctionReference<"query">,
    args: Record<string, unknown>,
    onResult: (result: never) => unknown,
  ): () => void {
    if (getFunctionName(query) !== "bench:pull") return () => {};
    const watch: Watch = { args: args as PullArgs, onResult, answered: null };
    this.#watches.add(watch);
    void task().then(() => this.#answer(watch));
    return () => void this.#watches.delete(watch);
  }

  /** As ConvexClient has it, for a one-shot question. */
  async query(_query: FunctionReference<"query">, args: Record<string, unknown>): Promise<never> {
    await this.#connected();
    await task();
    return decode(this.#textOf(args as PullArgs)) as never;
  }

  mutation(_mutation: FunctionReference<"mutation">, args: Record<string, unknown>): Promise<never> {
    const run = this.#lastPush.then(() => this.#push(args as PushArgs));
    this.#lastPush = run;
    return run as Promise<never>;
  }

  async #push(args: PushArgs): Promise<PushResult> {
    await this.#connected();
    this.counts.pushes++;
    this.counts.bytesSent += encode(args).length;
    await task();
    const ts = this.#newest + 1n;
    const entries = args.transactions.flatMap(({ ids, operations }) =>
      operations.map(({ document, bytes }): StateEntry => {
        return { document, ts, type: "update", bytes, client: args.client, transactions: ids };
      }),
    );
    this.load("", entries);
    const results = args.transactions.map(({ ids }) => ({ ids, status: "applied" as const }));
    const text = encode({ type: "results", results, ts });
    this.counts.bytesReceived += text.length;
    this.#refresh();
    return decode(text) as PushResult;
  }

  #connected(): Promise<void> {
    if (this.#isConnected) return Promise.resolve();
    return new Promise((resume) => this.#waiting.push(resume));
  }

  #setConnected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    for (const listener of [...this.#listeners]) listener(this.connectionState());
  }

  #refresh(): void {
    for (const watch of [...this.#watches]) this.#answer(watch);
  }

  #answer(watch: Watch): void {
    if (!this.#isConnected || !this.#watches.has(watch)) return;
    const text = this.#textOf(watch.args);
    if (watch.answered === text) return;
    watch.answered = text;
    watch.onResult(decode(text) as never);
  }

  #textOf(args: PullArgs): string {
    const { ts } = args.cursor; // the client may have read on since the streams ended there
    if (ts > this.#newest) this.#newest = ts;
    const text = this.#pages.get(keyOf(args)) ?? encode(this.#pageOf(args));
    this.counts.pulls++;
    this.counts.bytesSent += encode(args).length;
    this.counts.bytesReceived += text.length;
    return text;
  }

  #streamOf(scope: string): StateEntry[] {
    const stream = this.#streams.get(scope) ?? [];
    this.#streams.set(scope, stream);
    return stream;
  }

  /** As the component makes them: up to 256 entries or 1 MiB, which may end inside a commit. */
  #pageOf({ scope, cursor }: PullArgs) {
    const stream = this.#streamOf(scope);
    let at = firstAfter(stream, cursor);
    const entries: StateEntry[] = [];
    let bytes = 0;
    while (at < stream.length && entries.length < limits.pageEntries) {
      const entry = stream[at] as StateEntry;
      bytes += entry.bytes.byteLength;
      if (entries.length > 0 && bytes > limits.pageBytes) break;
      entries.push(entry);
      at++;
    }
    const done = at >= stream.length;
    const last = entries.at(-1);
    const next = last === undefined ? cursor : { ts: last.ts, document: done ? endOfCommit : last.document };
    return { type: "page" as const, epoch: "0", entries, cursor: next, done };
  }
}

function keyOf({ collection, scope, cursor }: PullArgs): string {
  return JSON.stringify([collection, scope, String(cursor.ts), cursor.document]);
}

/** Streams are in the order of (ts, place in its commit). */
function firstAfter(stream: readonly StateEntry[], cursor: Cursor): number {
  let [low, high] = [0, stream.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (stream[middle]!.ts < cursor.ts) low = middle + 1;
    else high = middle;
  }
  if (cursor.document === endOfCommit) {
    while (low < stream.length && stream[low]!.ts <= cursor.ts) low++;
    return low;
  }
  const own = stream.findIndex(
    (entry, index) => index >= low && entry.ts === cursor.ts && entry.document === cursor.document,
  );
  return own < 0 ? low : own + 1;
}

function encode(value: unknown): string {
  return JSON.stringify(convexToJson(value as Value));
}

function decode(text: string): unknown {
  return jsonToConvex(JSON.parse(text) as JSONValue);
}

/** A task of its own, as a message from a socket is one. */
function task(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
