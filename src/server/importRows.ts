import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import { jsonToConvex, type JSONValue } from "convex/values";
import { insertOperations, projectRow, type AnyCollection } from "../collections/index.js";
import { encodeSnapshot, openDocument } from "../shared/document.js";
import type { ImportedScope, ImportFailure, ImportWork, ImportWorkResult } from "../shared/importWire.js";
import { limits } from "../shared/limits.js";
import { applyOperations, readMain } from "../shared/mainDocument.js";
import { checkWrite, type CheckedWrite } from "./checkWrite.js";
import { coded, hookFailure, refusalIn } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import { findRow, writeRow } from "./rows.js";
import { loadStates, type LoadedState } from "./states.js";
import { CollectionWriter } from "./writer.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
type StagedRow = Record<string, unknown> & { readonly id: string };
type NewDocument = { readonly id: string; readonly check: CheckedWrite; readonly bytes: ArrayBuffer };
type Fault = Omit<ImportFailure, "id">;

/**
 * Takes rows of an import in, in the transaction of its chunk: their documents, whole, and the app's rows (I-9). A row
 * that cannot become a document is left out and told of; what else goes wrong is thrown, and takes all of it back: the
 * component tries fewer rows then, until only what is at fault fails (I-15).
 *
 * Documents are authored under the server's own id, which writes of the server go on with: a new document has no
 * earlier clocks of it. One whose id was used before does, and is inserted by the writer, on what is left of it.
 *
 * @throws ConvexError `unknown_collection`, `too_large`
 */
export async function importRows(
  ctx: MutationCtx,
  registry: Registry,
  name: string,
  { rows: json, from, to }: ImportWork,
): Promise<ImportWorkResult> {
  const collection = registry.collections.get(name);
  if (collection === undefined)
    throw coded(
      "unknown_collection",
      `The \`maintain\` that was called has no collection ${JSON.stringify(name)}: pass that of the right \`replicate.api()\` to import.`,
    );
  if (to - from > limits.importedRows)
    throw coded("too_large", `${limits.importedRows} rows are imported at once at most, not ${to - from}.`);
  const rows = (JSON.parse(json) as JSONValue[])
    .slice(from, to)
    .map((row) => jsonToConvex(row) as unknown as StagedRow);
  if (rows.length === 0) return { type: "import", done: 0, scopes: [], failed: [] }; // asked whether it is the right one
  const { component } = registry;
  const keys = rows.map(({ id }) => ({ collection: name, document: id }));
  // Fewer than rows, if they are too large for one transaction.
  const states = await loadStates(ctx, component, keys);
  const author: number = await ctx.runMutation(component.registry.serverAuthor, { collection: name });
  const failed: ImportFailure[] = [];
  const fresh: NewDocument[] = [];
  const again: StagedRow[] = [];
  const seen = new Set<string>();
  for (const [index, state] of states.entries()) {
    const row = rows[index] as StagedRow;
    const { id } = row;
    const result = seen.has(id) ? existsFault(name, id) : judge(collection.definition, row, state, author);
    seen.add(id);
    if ("code" in result) failed.push({ id, ...result });
    else if ("check" in result) fresh.push(result);
    else again.push(row);
  }
  await put(ctx, registry, collection, fresh);
  await notify(ctx, collection, fresh);
  const scopes = fresh.map(({ check }) => check.scope);
  const writer = new CollectionWriter(ctx, registry, collection, "import");
  for (const row of again) scopes.push(...(await writer.insertScoped([row as never])));
  return { type: "import", done: states.length, scopes: countScopes(scopes), failed };
}

/** @returns a document to write, why there is none, or that the id was used before, and the writer is to decide */
function judge(
  definition: AnyCollection,
  row: StagedRow,
  state: LoadedState,
  author: number,
): NewDocument | Fault | { readonly again: true } {
  const { id } = row;
  const doc = openDocument(state.blobs);
  const before = readMain(doc);
  if (projectRow(definition, id, before) !== null) return existsFault(definition.name, id);
  try {
    applyOperations(doc, author, insertOperations(definition, row as never));
  } catch (error) {
    if (error instanceof TypeError) return { code: "invalid_row", message: cut(error.message) };
    throw error;
  }
  const check = checkWrite(definition, id, before, readMain(doc), []);
  if (check.type === "refused") return { code: check.code, message: check.message };
  if (check.type === "gap" || state.blobs.length > 0) return { again: true };
  const snapshot = encodeSnapshot(doc);
  if (snapshot.length > limits.mainDocumentBytes)
    return {
      code: "too_large",
      message: `Document "${id}" would have ${snapshot.length} bytes; a document has at most ${limits.mainDocumentBytes}.`,
    };
  return { id, check, bytes: snapshot.buffer };
}

function existsFault(collection: string, id: string): Fault {
  return { code: "exists", message: `Collection "${collection}" has a document "${id}" already.` };
}

function cut(message: string): string {
  return message.slice(0, limits.messageLength);
}

async function put(
  ctx: MutationCtx,
  { component }: Registry,
  { definition, table }: RegisteredCollection,
  documents: readonly NewDocument[],
): Promise<void> {
  if (documents.length === 0) return;
  if (table !== undefined)
    for (const { id, check } of documents)
      await writeRow(ctx, definition, table, await findRow(ctx, table, id), check.change.after);
  await ctx.runMutation(component.imports.put, {
    collection: definition.name,
    documents: documents.map(({ id, check, bytes }) => ({ document: id, scope: check.scope, bytes })),
    hasGuards: table === undefined,
  });
}

/** After all is written: an effect that writes documents itself stands on that. Nobody is signed in here. */
async function notify(
  ctx: MutationCtx,
  { definition, onWrite }: RegisteredCollection,
  documents: readonly NewDocument[],
): Promise<void> {
  if (onWrite === undefined) return;
  for (const { id, check } of documents) {
    try {
      await onWrite(ctx, { user: null, id, source: "import", ...check.change });
    } catch (error) {
      const refusal = refusalIn(error);
      throw refusal === null
        ? hookFailure("onWrite", definition.name, error)
        : coded(refusal.code, refusal.message, refusal.data);
    }
  }
}

function countScopes(scopes: readonly string[]): ImportedScope[] {
  const counts = new Map<string, number>();
  for (const scope of scopes) counts.set(scope, (counts.get(scope) ?? 0) + 1);
  return [...counts].map(([scope, documents]) => ({ scope, documents }));
}
