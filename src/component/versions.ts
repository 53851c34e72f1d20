// Versions: states that are kept as they were, of a document with its parts, each a snapshot blob.
import { ConvexError, v, type Infer } from "convex/values";
import { encodeSnapshot, isSnapshot, joinBlobs, openDocument } from "../shared/document.js";
import { vVersion, vVersionKind, type Version } from "../shared/historyWire.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { parsePart, partKey } from "../shared/partDocument.js";
import { api } from "./_generated/api.js";
import type { Doc, Id } from "./_generated/dataModel.js";
import { mutation, query, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { joinChunks, splitChunks } from "./chunks.js";
import { watchPurge } from "./purgeMark.js";
import { loadState, type StateKey } from "./states.js";

const vAuthor = v.union(v.string(), v.null());
/** Snapshot and deltas as they are stored: to make one state of them is left to who needs it. */
const vStored = v.object({ part: v.string(), blobs: v.array(v.bytes()) });
const vSaved = v.object({ part: v.string(), bytes: v.bytes() });
const vCurrent = v.object({
  snapshotTs: v.int64(),
  /** Null: there is no such document, and never was. */
  scope: v.union(v.string(), v.null()),
  /** False: it is deleted, or was never there. */
  isPresent: v.boolean(),
  incarnation: v.number(),
  /** The position of the newest change. */
  ts: v.int64(),
  /** The main document under `""`, parts by their fields. */
  parts: v.array(vStored),
  /** Parts that are left out, for they have more bytes than were asked for. */
  large: v.array(v.string()),
});
type Current = Infer<typeof vCurrent>;

/**
 * A document with its parts as it is. Call it on a stale snapshot: it reads what pushes write.
 *
 * @param fields - those that are parts; absent: those that the follower knows of
 * @param partBytes - how many bytes of parts to hand out at most; absent: all
 */
export const current = query({
  args: {
    collection: v.string(),
    document: v.string(),
    fields: v.optional(v.array(v.string())),
    partBytes: v.optional(v.number()),
  },
  returns: vCurrent,
  handler: async (ctx, { collection, document, fields, partBytes = Infinity }) => {
    const main = await loadWhole(ctx, { collection, document, part: "" });
    const state = readMain(openDocument(main.blobs.map((blob) => new Uint8Array(blob))));
    const { existence, incarnation } = state;
    const isPresent = existence === "present";
    const parts = [{ part: "", blobs: main.blobs }];
    const large: string[] = [];
    let [ts, left] = [main.ts, partBytes];
    for (const field of fields ?? (await knownParts(ctx, collection, document, incarnation))) {
      if (!isPresent) break;
      const part = await loadWhole(ctx, { collection, document, part: partKey({ field, incarnation }) });
      if (part.ts > ts) ts = part.ts;
      const size = bytesOf(part.blobs);
      if (size > left) {
        large.push(field);
        continue;
      }
      left -= size;
      parts.push({ part: field, blobs: part.blobs });
    }
    const { scope } = main;
    return { snapshotTs: await ctx.meta.getSnapshotTs(), scope, isPresent, incarnation, ts, parts, large };
  },
});

/**
 * More of a part is read than can be built within Convex's 1 s, where it need not be: a few deltas are only joined to a
 * snapshot. So what a restore has just written can be replaced by another one at once.
 *
 * @throws ConvexError `too_large` if there is more than can be made one state
 */
async function loadWhole(
  ctx: QueryCtx,
  key: StateKey,
): Promise<{ scope: string | null; ts: bigint; blobs: ArrayBuffer[] }> {
  let state = await loadState(ctx, key);
  if (state.isCut && state.snapshotRows.length > 0) {
    const most = { rows: limits.joinedBlobs - 1, bytes: limits.joinedBytes };
    state = await loadState(ctx, key, most);
  }
  const { blobs, scope, ts, isCut } = state;
  if (isCut)
    throw new ConvexError({
      code: "too_large" as const,
      message: `Document "${key.document}" has too many changes that are not compacted yet. Try again in a moment.`,
    });
  return { scope, ts, blobs };
}

function bytesOf(blobs: readonly ArrayBuffer[]): number {
  return blobs.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** A state as one snapshot blob. To build a large text takes half of Convex's 1 s, so a few deltas are only joined to it. */
function wholeOf(stored: readonly ArrayBuffer[]): ArrayBuffer {
  const blobs = stored.map((blob) => new Uint8Array(blob));
  const [first] = blobs;
  if (first === undefined || !isSnapshot(first)) return encodeSnapshot(openDocument(blobs)).buffer;
  // A snapshot is what a version holds of it, byte by byte.
  if (blobs.length === 1) return stored[0] as ArrayBuffer;
  const isFew = blobs.length <= limits.joinedBlobs;
  return (isFew ? joinBlobs(blobs) : encodeSnapshot(openDocument(blobs))).buffer;
}

async function knownParts(
  ctx: QueryCtx,
  collection: string,
  document: string,
  incarnation: number,
): Promise<string[]> {
  const heads = await ctx.db
    .query("heads")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).gt("part", ""))
    .take(limits.documentParts);
  const names = heads.flatMap(({ part }) => parsePart(part) ?? []);
  return names.flatMap((name) => (name.incarnation === incarnation ? [name.field] : []));
}

/**
 * Saves the state of a document as it is. Nothing that a push writes is read in earnest, unless it moves the document,
 * so that none conflicts with it (I-13): a change that commits at the same time is in it or not, as if it had come a moment earlier or later.
 *
 * @returns null if there is no such document
 * @throws ConvexError `too_large` if it has all the named versions that it may have, or more bytes than one may
 */
export const save = mutation({
  args: {
    collection: v.string(),
    document: v.string(),
    fields: v.array(v.string()),
    kind: vVersionKind,
    label: v.optional(v.string()),
    author: vAuthor,
  },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { fields, ...version }) => {
    const { collection, document, kind } = version;
    const key = { collection, document, fields };
    const stale: Current = await ctx.runQuery(api.versions.current, key, { useStaleSnapshot: true });
    // What a restore replaces is exactly what its own transaction sees.
    const isExact = kind !== "restore" || stale.snapshotTs === (await ctx.meta.getSnapshotTs());
    const state: Current = isExact ? stale : await ctx.runQuery(api.versions.current, key);
    if (state.scope === null || !state.isPresent) return null;
    await makeRoom(ctx, collection, document, kind);
    return insertVersion(ctx, version, state);
  },
});

/** Saves what has changed since the document's last version, of any kind. For the daily cron. */
export async function saveIfChanged(ctx: MutationCtx, collection: string, document: string): Promise<void> {
  const [last] = await newestFirst(ctx, collection, document, null).take(1);
  const state: Current = await ctx.runQuery(
    api.versions.current,
    { collection, document },
    { useStaleSnapshot: true },
  );
  if (!state.isPresent || (last !== undefined && last.ts >= state.ts)) return;
  await insertVersion(ctx, { collection, document, kind: "automatic", author: null }, state);
}

async function insertVersion(
  ctx: MutationCtx,
  version: Pick<Doc<"versions">, "collection" | "document" | "kind" | "author" | "label">,
  { ts, scope, parts: stored }: Current,
): Promise<Id<"versions">> {
  await watchPurge(ctx, version, scope as string);
  const parts = stored.map(({ part, blobs }) => ({ part, bytes: wholeOf(blobs) }));
  const bytes = parts.reduce((sum, each) => sum + each.bytes.byteLength, 0);
  if (bytes > limits.versionBytes)
    throw new ConvexError({
      code: "too_large" as const,
      message: `A version has ${limits.versionBytes} bytes at most; document "${version.document}" has ${bytes}.`,
    });
  const id = await ctx.db.insert("versions", {
    ...version,
    at: Date.now(),
    ts,
    parts: parts.map(({ part }) => part),
    bytes,
  });
  for (const { part, bytes: all } of parts)
    for (const { bytes: piece, chunk } of splitChunks(all))
      await ctx.db.insert("versionChunks", { version: id, part, index: chunk.index, bytes: piece });
  return id;
}

/** Of what restores replaced the oldest goes; a named version is nobody's to take away. */
async function makeRoom(
  ctx: MutationCtx,
  collection: string,
  document: string,
  kind: Doc<"versions">["kind"],
): Promise<void> {
  if (kind === "automatic") return;
  const most = kind === "named" ? limits.namedVersions : limits.restoreVersions;
  const same = await ctx.db
    .query("versions")
    .withIndex("by_kind", (q) => q.eq("collection", collection).eq("document", document).eq("kind", kind))
    .take(most);
  const [oldest] = same;
  if (oldest === undefined || same.length < most) return;
  if (kind === "restore") return deleteVersion(ctx, oldest);
  throw new ConvexError({
    code: "too_large" as const,
    message: `A document has ${most} named versions at most, and "${document}" has ${same.length}.`,
  });
}

/** A document's versions, newest first, without their bytes. */
export const list = query({
  args: {
    collection: v.string(),
    document: v.string(),
    /** As the page before gave it; null: from the newest. */
    cursor: v.union(v.number(), v.null()),
    limit: v.number(),
  },
  returns: v.object({ versions: v.array(vVersion), cursor: v.union(v.number(), v.null()) }),
  handler: async (ctx, { collection, document, cursor, limit }) => {
    const most = Math.min(limit, limits.versionsListed);
    const rows = await newestFirst(ctx, collection, document, cursor).take(most + 1);
    const page = rows.slice(0, most);
    const hasMore = rows.length > most;
    return { versions: page.map(toListed), cursor: hasMore ? (page.at(-1)?._creationTime ?? null) : null };
  },
});

function newestFirst(ctx: QueryCtx, collection: string, document: string, before: number | null) {
  return ctx.db
    .query("versions")
    .withIndex("by_document", (q) => {
      const own = q.eq("collection", collection).eq("document", document);
      return before === null ? own : own.lt("_creationTime", before);
    })
    .order("desc");
}

function toListed({ _id, kind, label, author, at }: Doc<"versions">): Version {
  return { version: _id, kind, author, at, ...(label === undefined ? {} : { label }) };
}

/**
 * One version with its bytes. Null: this document has no such version, whoever else may have.
 *
 * @param partBytes - how many bytes of parts to hand out at most; absent: all. `large`: the parts that are left out for it
 */
export const read = query({
  args: {
    collection: v.string(),
    document: v.string(),
    version: v.string(),
    partBytes: v.optional(v.number()),
  },
  returns: v.union(
    v.object({ ...vVersion.fields, parts: v.array(vSaved), large: v.array(v.string()) }),
    v.null(),
  ),
  handler: async (ctx, { partBytes = Infinity, ...key }) => {
    const row = await findVersion(ctx, key);
    if (row === null) return null;
    const parts: Infer<typeof vSaved>[] = [];
    const large: string[] = [];
    let left = partBytes;
    for (const part of row.parts) {
      const bytes = await bytesOfPart(ctx, row, part, part === "" ? Infinity : left);
      if (bytes === null) large.push(part);
      else parts.push({ part, bytes });
      if (part !== "") left -= bytes?.byteLength ?? 0;
    }
    return { ...toListed(row), parts, large };
  },
});

/** @returns null if they are more than `most` */
export async function bytesOfPart(
  ctx: QueryCtx,
  row: Doc<"versions">,
  part: string,
  most = Infinity,
): Promise<ArrayBuffer | null> {
  const chunks: ArrayBuffer[] = [];
  let size = 0;
  for await (const { bytes } of chunksOf(ctx, row, part)) {
    size += bytes.byteLength;
    if (size > most) return null;
    chunks.push(bytes);
  }
  const [joined] = joinChunks(
    chunks.map((bytes, index) => ({ bytes, chunk: { index, count: chunks.length } })),
  );
  if (joined === undefined) throw new Error(`A version has no bytes of its part ${JSON.stringify(part)}.`);
  return joined.bytes;
}

/** Deletes a version, for an operator. @returns whether this document had it */
export const remove = mutation({
  args: { collection: v.string(), document: v.string(), version: v.string() },
  returns: v.boolean(),
  handler: async (ctx, key) => {
    const row = await findVersion(ctx, key);
    if (row !== null) await deleteVersion(ctx, row);
    return row !== null;
  },
});

async function findVersion(
  ctx: QueryCtx,
  { collection, document, version }: { collection: string; document: string; version: string },
): Promise<Doc<"versions"> | null> {
  const id = ctx.db.normalizeId("versions", version);
  const row = id === null ? null : await ctx.db.get("versions", id);
  return row?.collection === collection && row.document === document ? row : null;
}

export async function deleteVersion(ctx: MutationCtx, row: Doc<"versions">): Promise<void> {
  for (const part of row.parts)
    for (const chunk of await chunksOf(ctx, row, part).take(Math.ceil(row.bytes / limits.chunkBytes)))
      await ctx.db.delete("versionChunks", chunk._id);
  await ctx.db.delete("versions", row._id);
}

function chunksOf(ctx: QueryCtx, { _id }: Doc<"versions">, part: string) {
  return ctx.db.query("versionChunks").withIndex("by_version", (q) => q.eq("version", _id).eq("part", part));
}
