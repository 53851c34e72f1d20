import type { GenericDataModel, GenericQueryCtx } from "convex/server";
import {
  isPart,
  projectRow,
  type AnyCollection,
  type Field,
  type PartOf,
  type RowOf,
} from "../collections/index.js";
import { openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { startCursor, type Cursor } from "../shared/wire.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";

type Reader = Pick<GenericQueryCtx<GenericDataModel>, "runQuery">;

export interface ExportOptions {
  /** Of the page before; null, the default: from the beginning. */
  readonly cursor?: string | null;
  /** Documents on the page at most; default 100, at most 256. */
  readonly limit?: number;
}

export interface ExportedDocument<C extends AnyCollection> {
  readonly id: string;
  readonly row: RowOf<C>;
  readonly scope: string;
  /** When its row changed last, in ms since 1970. */
  readonly updatedAt: number;
  /** Where in the stream that change stands: in ns since 1970, unique. */
  readonly ts: bigint;
  /** The plain text of its texts and rich texts, the first 64 KiB of each, as far as the follower has come. */
  readonly texts: Readonly<Partial<Record<PartOf<C>, string>>>;
}

export interface ExportPage<C extends AnyCollection> {
  /** Those that changed while the export went on come again on a later page: the later one counts. */
  readonly documents: ExportedDocument<C>[];
  /** Deleted or gone from the scope since: of no document of a first export, unless it came on an earlier page. */
  readonly removed: string[];
  /** Documents that cannot be read, and why; they are left out. */
  readonly failed: { readonly id: string; readonly message: string }[];
  /** For the next page. After the last one: for what changes later, as long as no new epoch has begun. */
  readonly cursor: string;
  readonly isDone: boolean;
}

/** @throws ConvexError `invalid_cursor`, `too_large` */
export async function exportScope<C extends AnyCollection>(
  ctx: Reader,
  { component }: Registry,
  { definition }: RegisteredCollection,
  scope: string,
  { cursor = null, limit = 100 }: ExportOptions,
): Promise<ExportPage<C>> {
  const collection = definition.name;
  if (scope.length > limits.idLength)
    throw coded("too_large", `A scope has at most ${limits.idLength} characters, this one ${scope.length}.`);
  if (!Number.isInteger(limit) || limit < 1 || limit > limits.exportedDocuments)
    throw coded(
      "too_large",
      `A page has 1 to ${limits.exportedDocuments} documents, got a limit of ${limit}.`,
    );
  const from = cursor === null ? { cursor: startCursor } : decodeCursor(cursor, collection, scope);
  const page = await ctx.runQuery(component.exporting.page, { collection, scope, limit, ...from });
  if (page.type === "reset")
    throw coded(
      "invalid_cursor",
      `The collection "${collection}" was begun anew since this export began: begin it anew as well.`,
    );
  const result: ExportPage<C> = {
    documents: [],
    removed: [],
    failed: [],
    cursor: encodeCursor(collection, scope, page),
    isDone: page.done,
  };
  const fields = definition.fields as Record<string, Field>;
  for (const { document: id, scope: at, ts, blobs, isCut, texts } of page.documents) {
    if (at !== scope) {
      result.removed.push(id);
      continue;
    }
    try {
      if (isCut) throw new Error("It has too many changes that are not compacted yet.");
      const row = projectRow(
        definition,
        id,
        readMain(openDocument(blobs.map((blob) => new Uint8Array(blob)))),
      );
      if (row === null) {
        result.removed.push(id);
        continue;
      }
      const own = texts.filter(({ field }) => Object.hasOwn(fields, field) && isPart(fields[field] as Field));
      result.documents.push({
        id,
        row: row as RowOf<C>,
        scope,
        updatedAt: Number(ts / 1_000_000n),
        ts,
        texts: Object.fromEntries(
          own.map(({ field, text }) => [field, text]),
        ) as ExportedDocument<C>["texts"],
      });
    } catch (error) {
      // One document that cannot be read keeps no other from being exported (I-15).
      result.failed.push({ id, message: String(error).slice(0, limits.messageLength) });
    }
  }
  return result;
}

interface Position {
  readonly cursor: Cursor;
  readonly epoch: string;
  readonly horizon?: bigint;
}

/** A cursor says what it is of: one of another scope would silently leave documents out. */
function encodeCursor(collection: string, scope: string, { cursor, epoch, horizon }: Position): string {
  const { ts, document } = cursor;
  return JSON.stringify([collection, scope, epoch, String(ts), document, String(horizon ?? "")]);
}

function decodeCursor(text: string, collection: string, scope: string): Position {
  const invalid = coded("invalid_cursor", `This is no cursor of an export of "${scope}" of "${collection}".`);
  // Two names and two ids, each character as up to six in JSON, and the rest.
  if (text.length > 4 * 6 * limits.idLength + 200) throw invalid;
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    throw invalid;
  }
  const isList =
    Array.isArray(parts) && parts.length === 6 && parts.every((part) => typeof part === "string");
  if (!isList) throw invalid;
  const [ofCollection, ofScope, epoch, ts, document, horizon] = parts as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const isOfIt = ofCollection === collection && ofScope === scope && document.length <= limits.idLength;
  if (!isOfIt || !isTs(ts) || (horizon !== "" && !isTs(horizon))) throw invalid;
  return {
    epoch,
    cursor: { ts: BigInt(ts), document },
    ...(horizon === "" ? {} : { horizon: BigInt(horizon) }),
  };
}

/** A position as the database can hold it: 63 bits. */
function isTs(text: string): boolean {
  return /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n;
}
