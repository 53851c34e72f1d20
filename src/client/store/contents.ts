import type {
  AuthoredGroup,
  Commit,
  Meta,
  OutboxEntry,
  PartPlace,
  PartPosition,
  Stored,
  StoredDocument,
  StoredScope,
} from "../ports/storage.js";
import { keyOf } from "../core/keys.js";

/** A database's contents in memory, indexed. */
export interface Contents {
  meta: Meta;
  readonly documents: Map<string, StoredDocument>;
  readonly outbox: Map<number, OutboxEntry>;
  readonly groups: Map<number, AuthoredGroup>;
  readonly scopes: Map<string, StoredScope>;
  /** By document (see {@link keyOf}), then by part. */
  readonly parts: Map<string, Map<string, PartPosition>>;
}

export function indexContents(stored: Stored): Contents {
  const parts: Contents["parts"] = new Map();
  for (const position of stored.parts ?? []) putPart(parts, position);
  return {
    parts,
    meta: stored.meta,
    documents: new Map(stored.documents.map((each) => [keyOf(each.collection, each.id), each])),
    outbox: new Map(stored.outbox.map((each) => [each.sequence, each])),
    groups: new Map(stored.groups.map((each) => [each.sequence, each])),
    scopes: new Map(stored.scopes.map((each) => [keyOf(each.collection, each.scope), each])),
  };
}

/** What a commit makes of the rest. */
export function metaAfter(meta: Meta, { author = meta.author, removedOutbox, outbox }: Commit): Meta {
  const settled = [...(removedOutbox ?? []), ...(outbox ?? []).map(({ sequence }) => sequence)];
  const lastSettled = Math.max(meta.lastSettled ?? 0, ...settled);
  return { ...meta, author, commit: meta.commit + 1, ...(lastSettled === 0 ? {} : { lastSettled }) };
}

/** Does to contents in memory what {@link Commit} does to a database. */
export function applyCommit(contents: Contents, changes: Commit): void {
  const { documents, outbox, groups, scopes, parts } = contents;
  contents.meta = metaAfter(contents.meta, changes);
  for (const { collection, id } of changes.removedDocuments ?? []) documents.delete(keyOf(collection, id));
  for (const place of changes.removedParts ?? []) removePart(parts, place);
  for (const { base: _, ...position } of changes.parts ?? []) putPart(parts, position);
  for (const each of changes.documents ?? []) documents.set(keyOf(each.collection, each.id), each);
  for (const sequence of changes.removedGroups ?? []) groups.delete(sequence);
  for (const group of changes.groups ?? []) groups.set(group.sequence, group);
  const { repair } = changes;
  for (const each of repair?.damage ?? []) if (each.type === "group") groups.delete(each.sequence);
  for (const each of repair?.scopes ?? []) scopes.set(keyOf(each.collection, each.scope), each);
  for (const { collection, scope } of changes.removedScopes ?? []) scopes.delete(keyOf(collection, scope));
  for (const scope of changes.scopes ?? []) scopes.set(keyOf(scope.collection, scope.scope), scope);
  for (const sequence of changes.removedOutbox ?? []) outbox.delete(sequence);
  for (const entry of changes.outbox ?? []) if (outbox.has(entry.sequence)) outbox.set(entry.sequence, entry);
}

function putPart(parts: Contents["parts"], position: PartPosition): void {
  const key = keyOf(position.collection, position.id);
  const own = parts.get(key) ?? new Map<string, PartPosition>();
  own.set(position.part, position);
  parts.set(key, own);
}

function removePart(parts: Contents["parts"], { collection, id, part }: PartPlace): void {
  const own = parts.get(keyOf(collection, id));
  own?.delete(part);
  if (own?.size === 0) parts.delete(keyOf(collection, id));
}
