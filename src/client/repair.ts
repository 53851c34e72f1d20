// What a leader does about records that cannot be read any more. Nothing is taken for empty: documents are read from the
// server again, what the user wrote is kept or, where that is what was damaged, told of.
import { startCursor, type Cursor } from "../shared/wire.js";
import { ReplicaError } from "./base/errors.js";
import { emptyPublication, type Publication } from "./base/publication.js";
import type { Want } from "./base/tabMessages.js";
import { failAll, toQueued } from "./outbox/authoring.js";
import type { Damage, OutboxEntry, Stored, StoredFailure, StoredScope } from "./ports/storage.js";
import { keyOf } from "./core/keys.js";
import type { Decision } from "./store/journal.js";

/** Just after the start, which a server takes for a first load that has missed nothing. */
const restartCursor: Cursor = { ...startCursor, ts: 1n };

/** The scopes of which documents may be missing. */
export function damagedScopes({ damage, scopes }: Pick<Stored, "damage" | "scopes">): Want[] {
  const found = damage.flatMap((each): readonly Want[] => {
    switch (each.type) {
      case "page":
        return each.scopes ?? scopes;
      case "document":
        return scopes.filter(({ collection }) => collection === each.collection);
      case "scope":
        return [each];
      case "group":
      case "transaction":
        return [];
    }
  });
  const unique = new Map(
    found.map(({ collection, scope }) => [keyOf(collection, scope), { collection, scope }]),
  );
  return [...unique.values()];
}

/**
 * Has the damaged scopes read again from the start, over what is there: shown it stays, and what the device had already
 * read tells it nothing new. What left a scope meanwhile is met as it would have been, by the leaves after the position
 * that had been reached. Writes that were authored, but whose bytes are lost, may have been sent: they fail, for nobody
 * but the user can say whether to make them again. This database's author ends, since the clocks it has used are known
 * no more for the documents that are missing.
 *
 * @returns null if there is nothing that could be done
 */
export function planRepair(stored: Stored, freshAuthor: () => number): Decision | null {
  const damage = stored.damage.filter(({ type }) => type !== "transaction");
  if (damage.length === 0) return null;
  const scopes = damagedScopes(stored).flatMap((want) => restarted(stored, want));
  const lost = damage.map((each) => (each.type === "group" ? each.sequence : 0));
  const { outbox, publication } = failUnsent(stored, Math.max(...lost));
  return { commit: { repair: { damage, scopes }, outbox, author: freshAuthor() }, publication };
}

/** What to tell the user, and whether something they wrote is in danger. */
export function describeDamage(
  stored: Pick<Stored, "damage" | "scopes">,
): { readonly error: ReplicaError; readonly dataAtRisk: boolean }[] {
  const isOfUser = ({ type }: Damage) => type === "transaction" || type === "group";
  const own = stored.damage.filter(isOfUser);
  const others = stored.damage.filter((each) => !isOfUser(each));
  const scopes = damagedScopes(stored).map(({ collection, scope }) => `"${collection}"/"${scope}"`);
  return [
    ...(own.length === 0 ? [] : [{ error: corruptError(own, unsentMessage(own)), dataAtRisk: true }]),
    ...(others.length === 0
      ? []
      : [
          {
            error: corruptError(
              others,
              `${others.length} records of the local database are damaged: documents may be missing until ${scopes.join(", ") || "nothing"} has been read again from the server. Pending writes are kept.`,
            ),
            dataAtRisk: false,
          },
        ]),
  ];
}

function unsentMessage(damage: readonly Damage[]): string {
  const count = (type: Damage["type"]) => damage.filter((each) => each.type === type).length;
  return `Of the writes that wait on this device ${count("transaction")} cannot be read; they are kept aside. ${count("group")} pushes are damaged: what was to be sent, or was sent, with them is listed as failed.`;
}

function corruptError(damage: readonly Damage[], message: string): ReplicaError {
  return new ReplicaError("storage_corrupt", message, { data: damage });
}

function restarted({ scopes, documents }: Stored, want: Want): StoredScope[] {
  const isSame = (each: Want) => each.collection === want.collection && each.scope === want.scope;
  const known = scopes.find(isSame);
  // Where it was read to is lost: at least to the newest of its documents. The epoch is one of the collection.
  const reached = known?.cursor.ts ?? maxOf(documents.filter(isSame).map(({ ts }) => ts));
  const epoch = known?.epoch ?? scopes.find(({ collection }) => collection === want.collection)?.epoch ?? "";
  // The commit at which it stood may not have been read to its end.
  const horizon = maxOf([reached - 1n, known?.horizon ?? 0n]);
  return [{ ...want, cursor: restartCursor, epoch, horizon, isComplete: false, isRepair: true }];
}

function maxOf(values: readonly bigint[]): bigint {
  return values.reduce((most, value) => (value > most ? value : most), 0n);
}

/** Authored transactions were the first ones of those waiting, up to the one that gave the group its number. */
function failUnsent(stored: Stored, sequence: number): { outbox: OutboxEntry[]; publication: Publication } {
  const authored = new Set(stored.groups.flatMap(({ transactions }) => transactions));
  const waiting = stored.outbox.filter(
    ({ transaction }) => transaction.failure === undefined && !authored.has(transaction.id),
  );
  const lost = waiting.filter((entry) => entry.sequence <= sequence);
  if (lost.length === 0) return { outbox: [], publication: emptyPublication };
  return failAll([{ entries: lost, failure: lostFailure }], waiting.map(toQueued));
}

const lostFailure: StoredFailure = {
  code: "storage_corrupt",
  message:
    "What was to be sent of this write is damaged on this device, and may have reached the server. Look at the document, then retry or discard it.",
};
