import {
  createFunctionHandle,
  internalMutationGeneric,
  makeFunctionReference,
  type GenericDataModel,
  type GenericMutationCtx,
} from "convex/server";
import type { Value } from "convex/values";
import { projectRow } from "../collections/index.js";
import { isSameValue } from "../shared/canonicalJson.js";
import { openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import {
  maintainArgs,
  vMaintainResult,
  type MaintainResult,
  type RowsWork,
  type RowsWorkResult,
} from "../shared/wire.js";
import { importRows } from "./importRows.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import { findRow, writeRow } from "./rows.js";
import { loadStates, type LoadedState } from "./states.js";
import type { ReplicateFunctions } from "./types.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * `maintain`: what background work of the component has to do in the app's tables. It takes in rows of an import, and
 * brings the rows of documents to the projection of their merged states (I-9): of these it writes only what is wrong, so
 * that doing it twice is doing it once. It reads the rows it compares, so that it and a push to the same document come
 * one after the other.
 */
export function maintainFunction(registry: Registry): ReplicateFunctions["maintain"] {
  return internalMutationGeneric({
    args: maintainArgs,
    returns: vMaintainResult,
    handler: (ctx: MutationCtx, { collection, work }): Promise<MaintainResult> =>
      work.type === "rows"
        ? maintainRows(ctx, registry, collection, work)
        : importRows(ctx, registry, collection, work),
  }) as ReplicateFunctions["maintain"];
}

async function maintainRows(
  ctx: MutationCtx,
  registry: Registry,
  name: string,
  { documents }: RowsWork,
): Promise<RowsWorkResult> {
  if (documents.length > limits.maintainedDocuments)
    throw coded(
      "too_large",
      `maintain takes ${limits.maintainedDocuments} documents at most, got ${documents.length}.`,
    );
  const collection = registry.collections.get(name);
  const table = collection?.table;
  // A collection that the app has given up, or keeps no rows of, has nothing to bring into order.
  if (collection === undefined || table === undefined)
    return { type: "rows", done: documents.length, written: 0, failed: [] };
  const keys = documents.map((document) => ({ collection: name, document }));
  const states = await loadStates(ctx, registry.component, keys);
  const failed: RowsWorkResult["failed"] = [];
  let written = 0;
  for (const [index, state] of states.entries()) {
    const document = documents[index] as string;
    try {
      if (await maintainRow(ctx, { ...collection, table }, document, state)) written += 1;
    } catch (error) {
      // One document that cannot be read or stored keeps no other from being brought into order (I-15).
      failed.push({ document, message: String(error).slice(0, limits.messageLength) });
    }
  }
  return { type: "rows", done: states.length, written, failed };
}

/** @returns whether the row was wrong */
async function maintainRow(
  ctx: MutationCtx,
  { definition, table }: RegisteredCollection & { readonly table: string },
  document: string,
  state: LoadedState,
): Promise<boolean> {
  if (state.isCut) throw new Error("It has too many changes that are not compacted yet.");
  const after = projectRow(definition, document, readMain(openDocument(state.blobs)));
  const existing = await findRow(ctx, table, document);
  const fields = Object.keys(definition.row.fields as object);
  if (isSameValue(pick(existing, fields), pick(after, fields))) return false;
  await writeRow(ctx, definition, table, existing, after);
  return true;
}

function pick(row: object | null, fields: readonly string[]): Value {
  if (row === null) return null;
  const values = row as Record<string, Value | undefined>;
  return Object.fromEntries(
    fields.flatMap((field) => (values[field] === undefined ? [] : [[field, values[field]]])),
  ) as Value;
}

/**
 * The handle of `maintain`, which the component needs to call it. It stands in the module that `push` stands in, for
 * both come from one `replicate.api()`. Told once a day by each client: when it is noted anyway.
 */
export async function maintainHandle(
  ctx: MutationCtx,
  seenAt: number | null,
): Promise<{ readonly maintain?: string }> {
  if (seenAt !== null && Date.now() - seenAt < dayMs) return {};
  const { name } = await ctx.meta.getFunctionMetadata();
  const reference = makeFunctionReference<"mutation">(`${name.slice(0, name.lastIndexOf(":"))}:maintain`);
  try {
    return { maintain: await createFunctionHandle(reference) };
  } catch {
    return {}; // The app does not export it, and has no use for what needs it.
  }
}
