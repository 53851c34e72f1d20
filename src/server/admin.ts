import type { GenericDataModel, GenericMutationCtx, GenericQueryCtx } from "convex/server";
import type { AnyCollection } from "../collections/index.js";
import { exportScope, type ExportOptions, type ExportPage } from "./exportScope.js";
import { findCollection, type Registry } from "./registration.js";
import { findRow } from "./rows.js";

/** What an operator looks at, from an internal query or action of the app. */
export interface AdminReader {
  /**
   * A page of a scope's documents, for a copy of them: to hand out, or to keep. Any number of changes may be made
   * between two pages: what all pages say together, later over earlier, is the scope as it is at the last one.
   *
   * @param scope - `""` for a collection without scopes
   * @throws ConvexError `invalid_cursor` for a cursor of something else, or of an earlier epoch; `too_large`;
   *   `unknown_collection`
   */
  exportScope<C extends AnyCollection>(
    definition: C,
    scope: string,
    options?: ExportOptions,
  ): Promise<ExportPage<C>>;
}

/** What an operator does by hand, from an internal mutation of the app. Each throws `unknown_collection`. */
export interface Admin extends AdminReader {
  /**
   * Compacts a document now, however few its deltas; its texts, which may be large, in the background.
   * @returns how many delta rows of the document itself were replaced
   */
  compact(definition: AnyCollection, id: string): Promise<number>;
  /** Compacts every document and text that has any deltas, in the background, on the workpool. */
  compact(definition: AnyCollection): Promise<null>;
  /**
   * Has everybody read the collection anew: the last step of restoring a backup. Clients keep what they have not sent
   * yet. What the component derives (heads, totals) is cleared and built anew in the background, for what was restored
   * of it need not agree with the documents. The app's rows are left alone: see `rebuildRows`.
   *
   * @returns the epoch
   */
  newEpoch(definition: AnyCollection): Promise<string>;
  /**
   * Removes a document for good, with all that it ever was: for data protection, not in place of a delete. Who
   * holds it drops it. @returns whether there was one
   */
  purge(definition: AnyCollection, id: string): Promise<boolean>;
  /** Deletes a version, a named one say, which nothing else does. @returns whether the document had it */
  deleteVersion(definition: AnyCollection, id: string, version: string): Promise<boolean>;
  /**
   * Has `maintain` bring the app's rows to the documents' merged states, in the background: after they were
   * changed by hand, or their definition was. @returns whether it has begun: false if no client has pushed yet
   */
  rebuildRows(definition: AnyCollection): Promise<boolean>;
  /**
   * Has documents that could not be read or compacted looked at again at once, as if they had never failed.
   *
   * @param definition - default: every collection. @returns how many; beyond 500 a collection, the rest follows
   */
  retryFailed(definition?: AnyCollection): Promise<number>;
}

type Reader = Pick<GenericQueryCtx<GenericDataModel>, "runQuery">;
type Writer = GenericMutationCtx<GenericDataModel>;

export function createAdminReader(ctx: Reader, registry: Registry): AdminReader {
  return {
    exportScope: (definition, scope, options = {}) =>
      exportScope(ctx, registry, findCollection(registry, definition.name), scope, options),
  };
}

export function createAdmin(ctx: Writer, registry: Registry): Admin {
  const { component } = registry;
  const nameOf = (definition: AnyCollection) => findCollection(registry, definition.name).definition.name;
  function compact(definition: AnyCollection, id: string): Promise<number>;
  function compact(definition: AnyCollection): Promise<null>;
  async function compact(definition: AnyCollection, id?: string): Promise<number | null> {
    const collection = nameOf(definition);
    if (id === undefined) return ctx.runMutation(component.compactAll.start, { collection });
    return ctx.runMutation(component.compactAll.document, { collection, document: id });
  }
  return {
    ...createAdminReader(ctx, registry),
    compact,
    newEpoch: async (definition) =>
      ctx.runMutation(component.epochs.newEpoch, { collection: nameOf(definition) }),
    purge: async (definition, id) => {
      const { table } = findCollection(registry, definition.name);
      const row = table === undefined ? null : await findRow(ctx, table, id);
      if (row !== null) await ctx.db.delete(row._id);
      return ctx.runMutation(component.purge.purge, { collection: definition.name, document: id });
    },
    deleteVersion: async (definition, document, version) =>
      ctx.runMutation(component.versions.remove, { collection: nameOf(definition), document, version }),
    rebuildRows: async (definition) =>
      ctx.runMutation(component.rebuild.rebuild, { collection: nameOf(definition) }),
    retryFailed: async (definition) => {
      const names = definition === undefined ? [...registry.collections.keys()] : [nameOf(definition)];
      let retried = 0;
      for (const collection of names)
        retried += await ctx.runMutation(component.retryFailed.retryFailed, { collection });
      return retried;
    },
  };
}
