import {
  mutationGeneric,
  queryGeneric,
  type FunctionArgs,
  type FunctionReference,
  type FunctionReturnType,
  type GenericDataModel,
  type GenericMutationCtx,
  type GenericQueryCtx,
} from "convex/server";
import {
  MigrationError,
  migrateState,
  projectRow,
  scopeOf,
  type AnyCollection,
  type PlainRow,
} from "../collections/index.js";
import { openDocument } from "../shared/document.js";
import {
  restoreVersionArgs,
  saveVersionArgs,
  versionAtArgs,
  versionsArgs,
  vRestoreVersionResult,
  vSaveVersionResult,
  vVersionAtResult,
  vVersionsResult,
  type VersionAtArgs,
} from "../shared/historyWire.js";
import { limits } from "../shared/limits.js";
import { readMain, type MainState } from "../shared/mainDocument.js";
import { faultOfId } from "./checkPush.js";
import { authorise } from "./judgement.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import { restoreDocument, partsOf, type Past } from "./restore.js";
import type { ReplicateFunctions } from "./types.js";
import { CollectionWriter } from "./writer.js";

type QueryCtx = GenericQueryCtx<GenericDataModel>;
type MutationCtx = GenericMutationCtx<GenericDataModel>;
type HistoryFunctions = Pick<ReplicateFunctions, "versions" | "versionAt" | "saveVersion" | "restoreVersion">;
type DocumentKey = { readonly collection: string; readonly document: string };
/**
 * Versions and points in time, as clients call them.
 *
 * Who may. All of it asks `read` for the scope in which the document's newest main state is stored. What a document was
 * is shown, and restored, only to who may also read the scope in which it was then: a move to a wider scope must not
 * open what was deleted from it before (I-12). To save a version, which takes room, or to restore one, is to write.
 */
export function historyFunctions(registry: Registry): HistoryFunctions {
  const { component } = registry;
  return {
    versions: queryGeneric({
      args: versionsArgs,
      returns: vVersionsResult,
      handler: async (ctx: QueryCtx, { cursor = null, limit = limits.versionsListed, ...key }) => {
        checkPage(cursor, limit);
        const collection = findCollection(registry, key);
        const isReadable = await mayRead(ctx, registry, collection, key);
        if (!isReadable) return { type: "denied" as const };
        const page = await ctx.runQuery(component.versions.list, { ...key, cursor, limit });
        return { type: "versions" as const, ...page };
      },
    }),
    versionAt: queryGeneric({
      args: versionAtArgs,
      returns: vVersionAtResult,
      handler: async (ctx: QueryCtx, args) => {
        const past = await readPast(ctx, registry, args);
        if (past === null) return { type: "denied" as const };
        const { row, parts, version } = past;
        return { type: "version" as const, row, parts, ...(version === undefined ? {} : { version }) };
      },
    }),
    saveVersion: mutationGeneric({
      args: saveVersionArgs,
      returns: vSaveVersionResult,
      handler: async (ctx: MutationCtx, { label, ...key }) => {
        checkLabel(label);
        const collection = findCollection(registry, key);
        if (!(await mayRead(ctx, registry, collection, key))) throw notReadable(key);
        const author = await registry.user(ctx);
        await authoriseSaving(ctx, registry, collection, key, author);
        const args = {
          ...key,
          fields: partsOf(collection.definition).map(({ field }) => field),
          kind: "named" as const,
          label,
          author,
        };
        const version = await ctx.runMutation(component.versions.save, args);
        if (version === null) throw unknownDocument(key);
        return { version };
      },
    }),
    restoreVersion: mutationGeneric({
      args: restoreVersionArgs,
      returns: vRestoreVersionResult,
      handler: async (ctx: MutationCtx, args) => {
        const past = await readPast(ctx, registry, args, {
          partBytes: limits.restoredAtOnceBytes,
        });
        if (past === null) throw notReadable(args);
        return restoreDocument(ctx, registry, findCollection(registry, args), args.document, past);
      },
    }),
  };
}

/**
 * @param only - how many bytes of parts to hand out at most; default: all
 * @returns null if the user may not read it. @throws ConvexError `unknown_version`, `unknown_document`
 */
async function readPast(
  ctx: QueryCtx | MutationCtx,
  registry: Registry,
  { version, at, ...key }: VersionAtArgs,
  only: { readonly partBytes?: number } = {},
): Promise<Past | null> {
  if ((version === undefined) === (at === undefined))
    throw coded("invalid_update", 'Give either "version" or "at".');
  const collection = findCollection(registry, key);
  if (!(await mayRead(ctx, registry, collection, key))) return null;
  const found =
    version === undefined
      ? await readTime(ctx, registry, collection.definition, key, at as number, only)
      : await readVersion(ctx, registry, key, version, only);
  const { definition } = collection;
  const main = found.parts.find(({ part }) => part === "");
  const stored = readMain(openDocument(main === undefined ? [] : [new Uint8Array(main.bytes)]));
  const state = stateThen(definition, key.document, stored);
  const row = projectRow(definition, key.document, state);
  const user = await registry.user(ctx);
  const isReadable =
    row === null || (await collection.read(ctx, { user, scope: scopeThen(definition, row) }));
  if (isReadable !== true) return null;
  const parts = row === null ? [] : found.parts.filter(({ part }) => part !== "");
  const { large, target } = found;
  return {
    state,
    row,
    parts,
    large,
    target,
    ...(found.version === undefined ? {} : { version: found.version }),
  };
}

/** As the definition has it today: a version that was saved under an older one is migrated when it is looked at. */
function stateThen(definition: AnyCollection, id: string, stored: MainState): MainState {
  try {
    return migrateState(definition, id, stored);
  } catch (error) {
    throw error instanceof MigrationError ? coded("invalid_row", error.message) : error;
  }
}

/** The definition may have changed since: a row that it can give no scope is refused with a code. */
function scopeThen(definition: AnyCollection, row: PlainRow): string {
  try {
    return scopeOf(definition, row);
  } catch (error) {
    throw coded("invalid_row", error instanceof Error ? error.message : String(error));
  }
}

/**
 * Looks at what is stored. A mutation does so on a stale snapshot: what others write meanwhile is no conflict (I-13), and
 * where a document is, and what it was, may be a moment old.
 */
function look<Query extends FunctionReference<"query", "internal">>(
  ctx: QueryCtx | MutationCtx,
  query: Query,
  args: FunctionArgs<Query>,
): Promise<FunctionReturnType<Query>> {
  return "runMutation" in ctx
    ? ctx.runQuery(query, args, { useStaleSnapshot: true })
    : ctx.runQuery(query, args);
}

async function readVersion(
  ctx: QueryCtx | MutationCtx,
  { component }: Registry,
  key: DocumentKey,
  version: string,
  only: { readonly partBytes?: number },
) {
  const id = version.length > limits.idLength ? null : version;
  const found =
    id === null ? null : await look(ctx, component.versions.read, { ...key, version: id, ...only });
  if (found === null)
    throw coded(
      "unknown_version",
      `Document "${key.document}" of "${key.collection}" has no such version: ${JSON.stringify(version.slice(0, 80))}.`,
    );
  const { parts, large, ...listed } = found;
  return { parts, large, target: { version }, version: listed };
}

async function readTime(
  ctx: QueryCtx | MutationCtx,
  { component }: Registry,
  definition: AnyCollection,
  key: DocumentKey,
  at: number,
  only: { readonly partBytes?: number },
) {
  const now = Date.now();
  if (!Number.isFinite(at) || at < 0 || at > now + limits.clockAheadMs)
    throw coded("invalid_update", `"at" is a time in ms since 1970, not in the future, got ${at}.`);
  const ts = (BigInt(Math.floor(at)) + 1n) * 1_000_000n - 1n;
  const found = await look(ctx, component.pointInTime.at, {
    ...key,
    fields: partsOf(definition).map(({ field }) => field),
    ts,
    ...only,
  });
  if (found.type === "state") {
    const parts = [{ part: "", bytes: found.main }, ...found.parts];
    return { parts, large: found.large, target: { ts }, version: undefined };
  }
  const earliest = found.earliest === null ? null : Number(found.earliest / 1_000_000n) + 1;
  const since =
    earliest === null
      ? "Its history was not kept then."
      : `It is kept from ${new Date(earliest).toISOString()} on.`;
  throw coded(
    "unknown_version",
    `What document "${key.document}" of "${key.collection}" was at ${new Date(at).toISOString()} is not known. ${since}`,
    { earliest },
  );
}

/** Whether the user may read the scope in which the document is. @throws ConvexError `unknown_document` */
async function mayRead(
  ctx: QueryCtx | MutationCtx,
  registry: Registry,
  collection: RegisteredCollection,
  { collection: name, document }: DocumentKey,
): Promise<boolean> {
  const scope = await look(ctx, registry.component.parts.scopeOf, { collection: name, document });
  if (scope === null) throw unknownDocument({ collection: name, document });
  const user = await registry.user(ctx);
  return (await collection.read(ctx, { user, scope })) === true;
}

/** To save a version takes room that is shared: who may not change the document may not. Nothing of the row changes. */
async function authoriseSaving(
  ctx: MutationCtx,
  registry: Registry,
  collection: RegisteredCollection,
  key: DocumentKey,
  user: string | null,
): Promise<void> {
  const row = await new CollectionWriter(ctx, registry, collection).peek(key.document);
  if (row === null) throw unknownDocument(key);
  const scope = scopeThen(collection.definition, row);
  const request = { id: key.document, scope, previousScope: scope } as const;
  const change = { type: "update", before: row, after: row } as const;
  const denial = await authorise(ctx, { user }, collection, { ...request, ...change });
  if (denial !== null) throw coded(denial.code, denial.message, denial.data);
}

/** @throws ConvexError if there is no such collection, it keeps no history, or there can be no such document */
function findCollection(
  { collections }: Registry,
  { collection, document }: DocumentKey,
): RegisteredCollection {
  const found = collections.get(collection);
  if (found === undefined)
    throw coded("unknown_collection", `The server has no collection ${JSON.stringify(collection)}.`);
  if (found.history === undefined)
    throw coded("unknown_version", `Collection "${collection}" keeps no history.`);
  const fault = faultOfId("document id", document);
  if (fault !== null) throw coded(document.length > limits.idLength ? "too_large" : "invalid_update", fault);
  return found;
}

function checkPage(cursor: number | null, limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > limits.versionsListed)
    throw coded("too_large", `A page has 1 to ${limits.versionsListed} versions, asked for ${limit}.`);
  if (cursor !== null && !Number.isFinite(cursor))
    throw coded("invalid_update", `A cursor is as the page before gave it, got ${cursor}.`);
}

function checkLabel(label: string): void {
  if (label.length === 0 || label.length > limits.labelLength)
    throw coded("too_large", `A label has 1 to ${limits.labelLength} characters, this one ${label.length}.`);
  if (/\p{Cs}/u.test(label)) throw coded("invalid_update", "A label holds half of a surrogate pair.");
}

function unknownDocument({ collection, document }: DocumentKey) {
  return coded("unknown_document", `Collection "${collection}" has no document "${document}".`);
}

function notReadable({ collection, document }: DocumentKey) {
  return coded(
    "denied",
    `You may not read document "${document}" of "${collection}", or not what it was then.`,
  );
}
