// A view as its tests drive it: what the leader, other tabs and this one tell it, in a word each.
import { v } from "convex/values";
import { defineCollection, field, type PlainRow } from "../../collections/index.js";
import { emptyPublication, type Phase, type Publication } from "../../client/base/publication.js";
import type { AuthoredGroup, AuthoredUpdate, Stored, StoredFailure } from "../../client/ports/storage.js";
import { storedSite, write, type Changes } from "./storedRecords.js";
import type { LocalTransaction } from "../../client/view/localTransaction.js";
import { View } from "../../client/view/view.js";

export const sites = defineCollection("sites", { fields: { name: v.string(), visits: field.counter() } });
const notes = defineCollection("notes", { fields: { text: v.string() } });

export const site = (id: string, name: string, visits = 0): PlainRow => ({ id, name, visits });
export const publish = (more: Partial<Publication>): Publication => ({ ...emptyPublication, ...more });
export const arrived = (...rows: PlainRow[]) => rows.map((row) => ({ collection: "sites", id: row.id, row }));
export const cover = (transaction: string, id: string) => ({ transaction, collection: "sites", id });
export const entering = (type: Exclude<Phase["type"], "failed">, ...ids: string[]) =>
  ids.map((id) => ({ id, phase: { type } }));
export const no: StoredFailure = { code: "denied", message: "no" };
export const failing = (...ids: string[]) =>
  ids.map((id) => ({ id, phase: { type: "failed", failure: no } as const }));

interface Database {
  readonly rows?: readonly PlainRow[];
  readonly outbox?: Stored["outbox"];
  readonly groups?: readonly AuthoredGroup[];
}
export const database = ({ rows = [], outbox = [], groups = [] }: Database): Stored => ({
  meta: { client: "c", author: 1, term: 1, commit: 1, lastSettled: 9 },
  documents: rows.map((row) => storedSite(row.id, row, { scope: "" })),
  outbox,
  groups,
  scopes: [],
  screen: [],
  damage: [],
});
export const update = (document: string, isCovered: boolean): AuthoredUpdate => ({
  collection: "sites",
  document,
  schemaVersion: 1,
  bytes: new Uint8Array(),
  author: 1,
  from: 0,
  to: 1,
  isCovered,
});

export function openView(...rows: PlainRow[]) {
  const decisions: string[] = [];
  const view = new View([sites, notes], {
    retry: (transaction) => (decisions.push(`retry ${transaction.id}`), transaction),
    discard: (transaction) => void decisions.push(`discard ${transaction.id}`),
  });
  view.apply(publish({ rows: arrived(...rows) }));
  const collection = view.collections.get("sites")!;
  return {
    view,
    collection,
    decisions,
    get: (id: string) => collection.get(id),
    name: (id: string) => collection.get(id)?.["name"],
    visits: (id: string) => collection.get(id)?.["visits"],
    /** A transaction made in this tab, and not stored yet. */
    make(id: string, changes: Changes): LocalTransaction {
      const stored = write(id, changes);
      const transaction = view.open(stored);
      for (const change of stored.changes) view.extend(transaction, change);
      view.show(transaction);
      return transaction;
    },
    /** One that is stored, from another tab. */
    receive(id: string, sequence: number, changes: Changes): LocalTransaction {
      view.receive([{ sequence, transaction: write(id, changes) }]);
      return view.find(id)!;
    },
    ids: () => view.transactions().map(({ id }) => id),
  };
}
export type OpenView = ReturnType<typeof openView>;

/** What each listener hears, and what it sees when it does. */
export function listen({ view, collection }: OpenView) {
  const heard: string[] = [];
  const seen = () => {
    const rows = [...collection.rows()].map(
      (row) => `${row.id}:${String(row["name"])}/${String(row["visits"])}`,
    );
    const states = view.transactions().map(({ id, state }) => `${id}:${state}`);
    return [...rows.sort(), ...states].join(" ");
  };
  collection.changed.on((ids) => heard.push(`rows ${[...ids].sort().join()} | ${seen()}`));
  view.transactionsChanged.on((transactions) =>
    heard.push(`transactions ${transactions.map(({ id }) => id).join()} | ${seen()}`),
  );
  return heard;
}
