import { queryGeneric, type GenericDataModel, type GenericQueryCtx } from "convex/server";
import { limits } from "../shared/limits.js";
import { previewOf } from "../shared/partDocument.js";
import { rowsArgs, vRowsResult, type RowsResult } from "../shared/rowsWire.js";
import { exportScope } from "./exportScope.js";
import { mayRead } from "./mayRead.js";
import { findCollection, type Registry } from "./registration.js";
import type { ReplicateFunctions } from "./types.js";

/**
 * The rows of a scope, in pages, for a page that is rendered on the server: what a device shows of it, texts by how they
 * begin. A document that cannot be read is left out (I-15).
 */
export function rowsFunction(registry: Registry): ReplicateFunctions["rows"] {
  return queryGeneric({
    args: rowsArgs,
    returns: vRowsResult,
    handler: async (
      ctx: GenericQueryCtx<GenericDataModel>,
      { collection, scope, cursor, limit },
    ): Promise<RowsResult> => {
      if (!(await mayRead(ctx, registry, collection, scope))) return { type: "denied" };
      const registered = findCollection(registry, collection);
      const { schemaVersion } = registered.definition;
      const options = limit === undefined ? { cursor } : { cursor, limit };
      const page = await exportScope(ctx, registry, registered, scope, options);
      const rows = page.documents.map(({ row, texts }) => {
        const previews = Object.entries(texts as Record<string, string>).map(
          ([part, text]) => [part, previewOf(text, limits.previewCharacters)] as const,
        );
        return { ...row, ...Object.fromEntries(previews) };
      });
      const positions = page.documents.map(({ ts }) => String(ts));
      const { removed, isDone } = page;
      return {
        ...{ type: "page", collection, scope, rows, positions, removed, cursor: page.cursor, isDone },
        ...(schemaVersion > 1 ? { schemaVersion } : {}),
      };
    },
  });
}
