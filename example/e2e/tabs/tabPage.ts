// What runs in each tab: a client and a replica of an app's, and what a test has them do. The address names the backend.
import { ConvexClient } from "convex/browser";
import { createReplica, ReplicaError, type Transaction } from "convex-replicate/client";
import { api } from "../../convex/_generated/api.js";
import { sites, type Site } from "../../convex/collections.js";

const backend = new URLSearchParams(location.search).get("backend") ?? "http://127.0.0.1:9";
const client = new ConvexClient(backend, { unsavedChangesWarning: false, logger: false });
const replica = createReplica({ client, api: api.replicate, collections: [sites], name: "tabs", user: null });
const rows = replica.collection(sites);
const errors: { readonly code: string; readonly dataAtRisk: boolean }[] = [];
replica.events.on("error", ({ error, dataAtRisk }) => errors.push({ code: codeOf(error), dataAtRisk }));
const subscription = replica.subscribe(sites, { scopes: ["DE"] });

/** A writer waits while so many of its writes have not come back: it is to write all the time, not as much as it can. */
const mostUnfinished = 8;
/** Of its visits, each such one is to the document of all writers too, in one transaction. */
const sharedEvery = 5;
let isWriting = false;
let writer: Promise<void> = Promise.resolve();

export interface TabState {
  readonly leader: boolean;
  readonly connection: "connected" | "disconnected";
  readonly scope: string;
  readonly isOpening: boolean;
  readonly pending: number;
  /** The codes of those that failed. */
  readonly failed: readonly string[];
  readonly readOnly: string | null;
  readonly usedBytes: number;
  readonly errors: readonly { readonly code: string; readonly dataAtRisk: boolean }[];
}

const tab = {
  /** @returns null once the replica is ready, or why it never will be */
  ready: () =>
    replica.ready.then(
      () => null,
      (error: unknown) => codeOf(error),
    ),

  loaded: () => subscription.loaded,

  state(): TabState {
    const { leader, connection, isOpening, pending, readOnly, storage } = replica.status.get();
    const failed = replica.transactions.list({ state: "failed" });
    return {
      leader,
      connection,
      isOpening,
      pending,
      scope: subscription.state,
      failed: failed.map(({ error }) => codeOf(error)),
      readOnly: readOnly?.code ?? null,
      usedBytes: storage?.usedBytes ?? 0,
      errors: [...errors],
    };
  },

  rows: (): Site[] => [...rows.rows()].sort((a, b) => (a.id < b.id ? -1 : 1)),

  /** How far the device has stored what the server did. */
  cursor: async (): Promise<string> =>
    (await replica.inspect()).scopes.map(({ cursor }) => cursor?.ts).join(),

  insert: (id: string) => outcome(() => rows.insert({ id, name: id, country: "DE" })),

  /** Adds the tag to the document, and one to its visits. @returns null: durable; or why not */
  visit: (id: string, tag: string) => outcome(() => visit(id, tag)),

  /** Writes notes of so many characters until there is no room for one. @returns why not */
  async fill(id: string, size: number): Promise<string> {
    for (;;) {
      const note = `${crypto.randomUUID()}${"x".repeat(size)}`;
      const refusal = await outcome(() => rows.update(id, (draft) => void (draft.note = note)));
      if (refusal !== null) return refusal;
    }
  },

  /** Makes the failed transactions again. */
  retryAll: () =>
    Promise.all(replica.transactions.list({ state: "failed" }).map((each) => outcome(() => each.retry()))),

  /** Makes a document and visits it, again and again. `window.onDurable` is told of each visit. */
  startWriting(id: string): void {
    isWriting = true;
    writer = write(id);
  },

  async stopWriting(): Promise<void> {
    isWriting = false;
    await writer;
  },

  close: () => replica.close(),
};

export type TabPage = typeof tab;
declare global {
  interface Window {
    tab?: TabPage;
    onDurable?(id: string, tag: string): Promise<void>;
  }
}
window.tab = tab;

function visit(id: string, tag: string, isShared = false): Transaction {
  const own = () =>
    rows.update(id, (draft) => {
      draft.visits.increment();
      draft.tags.add(tag);
    });
  if (!isShared) return own();
  return replica.transact(() => {
    own();
    rows.update("all", (draft) => draft.visits.increment());
  });
}

async function write(id: string): Promise<void> {
  await rows.insert({ id, name: id, country: "DE" }).durable;
  const unfinished = new Set<Transaction>();
  for (let n = 0; isWriting; n++) {
    const isShared = n % sharedEvery === 0;
    const tag = `${n}${isShared ? " with all" : ""}`;
    const transaction = visit(id, tag, isShared);
    unfinished.add(transaction);
    const end = () => unfinished.delete(transaction);
    void transaction.confirmed.then(end, end);
    await transaction.durable;
    void window.onDurable?.(id, tag);
    while (isWriting && unfinished.size >= mostUnfinished)
      await Promise.race([...unfinished].map(({ confirmed }) => confirmed.catch(() => {})));
  }
}

async function outcome(write: () => { readonly durable: Promise<void> }): Promise<string | null> {
  try {
    await write().durable;
    return null;
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return ReplicaError.is(error) ? error.code : String(error);
}
