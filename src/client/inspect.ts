import type { InspectedError, InspectedPart, InspectedTransaction, Inspection } from "./base/inspection.js";
import { keyOf } from "./core/keys.js";
import type { ReplicaStatus } from "./base/types.js";
import type { Stored } from "./ports/storage.js";
import type { LocalTransaction } from "./view/localTransaction.js";
import type { View } from "./view/view.js";

/** What an inspection is made of. */
export interface Inspected {
  readonly at: number;
  readonly tab: string;
  readonly tabs: number;
  readonly stored: Stored;
  readonly status: ReplicaStatus;
  readonly view: View;
  readonly parts: readonly InspectedPart[];
  readonly errors: readonly InspectedError[];
}

/** @param hasContent with what users wrote, and messages, which may quote it */
export function inspectReplica(inspected: Inspected, hasContent: boolean): Inspection {
  const { at, tab, tabs, stored, status, view, parts, errors } = inspected;
  const { client, author, term, commit } = stored.meta;
  const { blocked, scopes, ...rest } = status;
  return {
    at,
    tab,
    tabs,
    client,
    author,
    term,
    commit,
    status: { ...rest, blocked: blocked?.code ?? null },
    scopes: inspectScopes(stored, scopes),
    documents: [...view.collections].map(([collection, rows]) => {
      const own = stored.documents.filter((each) => each.collection === collection);
      const bytes = own.reduce((sum, { base }) => sum + base.length, 0);
      return { collection, shown: rows.size, stored: own.length, bytes };
    }),
    parts,
    outbox: view.transactions().map((each) => inspectTransaction(each, hasContent)),
    groups: stored.groups.map(({ sequence, transactions, isAnswered, updates }) => ({
      ...{ sequence, transactions, isAnswered },
      updates: updates.map(({ bytes, schemaVersion: _version, ...update }) => ({
        ...update,
        bytes: bytes.length,
      })),
    })),
    errors: errors.map(({ message, ...error }) => ({ ...error, ...shown(hasContent, { message }) })),
  };
}

function inspectScopes(stored: Stored, reported: ReplicaStatus["scopes"]): Inspection["scopes"] {
  const keyOfScope = ({ collection, scope }: { collection: string; scope: string }) =>
    keyOf(collection, scope);
  const states = new Map(reported.map((each) => [keyOfScope(each), each.state]));
  const known = new Map(stored.scopes.map((each) => [keyOfScope(each), each]));
  const all = new Map([...stored.scopes, ...reported].map((each) => [keyOfScope(each), each]));
  return [...all].map(([key, { collection, scope }]) => {
    const { cursor, epoch = null, isComplete = false } = known.get(key) ?? {};
    return {
      collection,
      scope,
      state: states.get(key) ?? "idle",
      epoch,
      // A timestamp is a bigint, which JSON has not.
      cursor: cursor === undefined ? null : { ts: String(cursor.ts), document: cursor.document },
      isComplete,
    };
  });
}

function inspectTransaction(transaction: LocalTransaction, hasContent: boolean): InspectedTransaction {
  const { id, sequence, state, strategy, createdAt, queuedBehind, attempts, error, changes, metadata } =
    transaction;
  return {
    id,
    sequence,
    state,
    strategy,
    createdAt,
    queuedBehind,
    attempts: attempts.map(({ error: { code, message }, ...attempt }) => ({
      ...attempt,
      error: { ...(code === undefined ? {} : { code }), ...shown(hasContent, { message }) },
    })),
    error:
      error === undefined
        ? null
        : {
            code: error.code,
            ...(error.transactionId === undefined ? {} : { transactionId: error.transactionId }),
            ...shown(hasContent, { message: error.message }),
          },
    changes: changes.map(({ collection, id: document, operations }) => ({
      collection,
      id: document,
      operations: hasContent
        ? operations
        : operations.map((each) => ({ type: each.type, ...("field" in each ? { field: each.field } : {}) })),
    })),
    ...shown(hasContent, { metadata }),
  };
}

function shown<T extends object>(hasContent: boolean, content: T): Partial<T> {
  return hasContent ? content : {};
}
