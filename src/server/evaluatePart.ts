import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import { isPart, MigrationError, projectRow, type Field, type PlainRow } from "../collections/index.js";
import { openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { parsePart } from "../shared/partDocument.js";
import type { PushOperation } from "../shared/wire.js";
import {
  authorise,
  placeKey,
  refused,
  type AcceptedWrite,
  type Judgement,
  type PushContext,
} from "./judgement.js";
import type { RegisteredCollection } from "./registration.js";

/** The document that a part belongs to, as this push finds or makes it. */
interface Owner {
  readonly row: PlainRow;
  /** Where it is stored. */
  readonly scope: string;
  readonly incarnation: number;
}

/**
 * Judges a change of a part: by its bytes alone, and by the document it belongs to, which is read on a stale snapshot.
 * The part itself is not read, so that any number of typists append to it without a conflict (I-13).
 *
 * @param earlier - what the same transaction does before: it may insert the document
 */
export async function judgePart(
  ctx: GenericMutationCtx<GenericDataModel>,
  context: PushContext,
  collection: RegisteredCollection,
  operation: PushOperation,
  earlier: readonly AcceptedWrite[],
): Promise<Judgement> {
  const { definition } = collection;
  const { document: id, part, schemaVersion, bytes } = operation;
  const name = parsePart(part);
  const fields = definition.fields as Record<string, Field>;
  const field = name !== null && Object.hasOwn(fields, name.field) ? fields[name.field] : undefined;
  if (name === null || field === undefined || !isPart(field))
    return refused(
      "invalid_update",
      `Collection "${definition.name}" has no part ${JSON.stringify(part.slice(0, 80))}.`,
    );
  if (bytes.byteLength > limits.partBytes)
    return refused(
      "too_large",
      `An update of a part has at most ${limits.partBytes} bytes, that of "${id}" has ${bytes.byteLength}.`,
    );
  const check = context.checkPart(operation);
  if (check.type === "invalid") return refused("invalid_update", check.message);
  if (check.authors.length > limits.partAuthors)
    return refused(
      "too_large",
      `An update of a part has ${limits.partAuthors} authors at most, this one ${check.authors.length}.`,
    );
  if (check.pieces > limits.partUpdatePieces)
    return refused(
      "too_large",
      `An update of a part inserts and deletes ${limits.partUpdatePieces} pieces at most, that of "${id}" ${check.pieces}.`,
    );
  // As with main documents: an id in two hands is authored anew under another.
  const isForeign = (author: number) =>
    (context.authorClients.get(author) ?? context.client) !== context.client;
  if (check.authors.some(isForeign)) return { type: "gap" };
  const fullness = context.fullness.get(placeKey(operation));
  // What only deletes makes it smaller, and when it is small enough it can be written again.
  if (fullness === "closed" || (fullness === "full" && check.authors.length > 0))
    return refused(
      "too_large",
      `"${name.field}" of document "${id}" is full: with all that was ever changed in it, it has more than ${limits.partBytes} bytes or ${limits.partPieces} pieces.`,
    );
  let owner: ReturnType<typeof ownerOf>;
  try {
    owner = ownerOf(context, collection, operation, earlier);
  } catch (error) {
    if (error instanceof MigrationError) return refused("invalid_row", error.message);
    throw error;
  }
  if (owner === "unreadable") return { type: "gap" };
  if (owner === null || owner.incarnation !== name.incarnation)
    return refused(
      "unknown_document",
      `There is no document "${id}", or another than the one whose "${name.field}" was changed: it was deleted.`,
    );
  const change = { type: "part" as const, part: name.field, before: owner.row, after: owner.row };
  const { scope } = owner;
  const denial = await authorise(ctx, context, collection, { id, scope, previousScope: scope, ...change });
  if (denial !== null) return { type: "refused", refusal: denial };
  return { kind: "part", collection, id, part, change, authors: check.authors, bytes, schemaVersion };
}

/** @returns null if there is no such document; "unreadable" if it must be compacted first. @throws MigrationError */
function ownerOf(
  { states }: PushContext,
  { definition }: RegisteredCollection,
  { collection, document: id }: PushOperation,
  earlier: readonly AcceptedWrite[],
): Owner | "unreadable" | null {
  const main = earlier.find(
    (write) => write.kind === "main" && write.id === id && write.collection.definition === definition,
  );
  if (main?.kind === "main")
    return main.change.after === null
      ? null
      : { row: main.change.after, scope: main.scope, incarnation: main.incarnation };
  const state = states.get(`${collection}\0${id}`);
  if (state === undefined || state.isCut) return "unreadable";
  const read = readMain(openDocument(state.blobs));
  const row = projectRow(definition, id, read);
  return row === null || state.scope === null
    ? null
    : { row, scope: state.scope, incarnation: read.incarnation };
}
