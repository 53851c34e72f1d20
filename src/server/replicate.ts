import {
  mutationGeneric,
  queryGeneric,
  type GenericActionCtx,
  type GenericDataModel,
  type GenericMutationCtx,
  type GenericQueryCtx,
} from "convex/server";
import type { AnyCollection, PartOf } from "../collections/index.js";
import type { ComponentApi } from "../component/_generated/component.js";
import type { ImportJob } from "../shared/importWire.js";
import {
  pullArgs,
  pushArgs,
  statusArgs,
  vPullResult,
  vPushResult,
  vStatusResult,
  type CollectionHealth,
  type ScopeStats,
} from "../shared/wire.js";
import { createAdmin, createAdminReader, type Admin, type AdminReader } from "./admin.js";
import { readHealth, readStats } from "./health.js";
import { historyFunctions } from "./history.js";
import { checkHistory } from "./historyOption.js";
import { runImport } from "./import.js";
import { maintainFunction } from "./maintain.js";
import { partFunctions, readText } from "./parts.js";
import { mayRead } from "./mayRead.js";
import { runPush } from "./push.js";
import { findCollection, type RegisteredCollection, type Registry } from "./registration.js";
import { rowsFunction } from "./rowPages.js";
import { sessionFunctions } from "./sessions.js";
import type { CollectionHooks, Importer, ReplicateFunctions, ReplicateOptions, Writer } from "./types.js";
import { CollectionWriter } from "./writer.js";
import { WriteQueue } from "./writeQueue.js";

/**
 * Replication as the app sets it up: who the user is, which collections there are, who may read and write them.
 *
 * @example
 * ```ts
 * export const replicate = new Replicate<DataModel>(components.replicate, {
 *   user: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
 * });
 * replicate.collection(sites, { table: "sites", read: () => true, write: (_ctx, { user }) => user !== null });
 * export const { push, pull, status } = replicate.api();
 * ```
 */
export class Replicate<DM extends GenericDataModel> {
  readonly #registry: Registry;
  readonly #collections = new Map<string, RegisteredCollection>();

  constructor(component: ComponentApi, options: ReplicateOptions<DM>) {
    this.#registry = {
      component,
      collections: this.#collections,
      writes: new WriteQueue(),
      user: options.user as unknown as Registry["user"],
    };
  }

  /**
   * Registers a collection; a statement of its own, so that the types of the hooks are inferred.
   *
   * @throws Error if the name is taken, or history cannot be kept as asked
   */
  collection<C extends AnyCollection>(definition: C, hooks: CollectionHooks<DM, C>): void {
    if (this.#collections.has(definition.name))
      throw new Error(`Collection "${definition.name}" is registered twice.`);
    const { table, read, write, history, onWrite } = hooks as unknown as RegisteredCollection;
    checkHistory(definition.name, history);
    this.#collections.set(definition.name, { definition, table, read, write, history, onWrite });
  }

  /** Writes documents in the app's own mutation; in an action it imports them. @throws ConvexError `unknown_collection` */
  writer<C extends AnyCollection>(ctx: GenericActionCtx<DM>, definition: C): Importer<C>;
  writer<C extends AnyCollection>(ctx: GenericMutationCtx<DM>, definition: C): Writer<C>;
  writer<C extends AnyCollection>(
    ctx: GenericMutationCtx<DM> | GenericActionCtx<DM>,
    definition: C,
  ): Importer<C> {
    const collection = findCollection(this.#registry, definition.name);
    if (!("db" in ctx))
      return {
        import: (rows, options) =>
          runImport(
            ctx as unknown as GenericActionCtx<GenericDataModel>,
            this.#registry.component,
            definition,
            rows,
            options,
          ),
      };
    return new CollectionWriter<C>(
      ctx as unknown as GenericMutationCtx<GenericDataModel>,
      this.#registry,
      collection,
    );
  }

  /** How far an import is; null: there is no such job, or it ended more than a week ago. */
  importJob(ctx: Pick<GenericQueryCtx<DM>, "runQuery">, job: string): Promise<ImportJob | null> {
    return ctx.runQuery(this.#registry.component.imports.status, { job });
  }

  /** Ends an import before its time; what has arrived stays. @returns whether there was anything to end */
  cancelImport(ctx: Pick<GenericMutationCtx<DM>, "runMutation">, job: string): Promise<boolean> {
    return ctx.runMutation(this.#registry.component.imports.cancel, { job });
  }

  /** What an operator does by hand, from an internal function of the app; in a query or action only what reads. */
  admin(ctx: GenericMutationCtx<DM>): Admin;
  admin(ctx: Pick<GenericQueryCtx<DM>, "runQuery">): AdminReader;
  admin(ctx: GenericMutationCtx<DM> | Pick<GenericQueryCtx<DM>, "runQuery">): Admin | AdminReader {
    return "db" in ctx && "runMutation" in ctx
      ? createAdmin(ctx as unknown as GenericMutationCtx<GenericDataModel>, this.#registry)
      : createAdminReader(ctx, this.#registry);
  }

  /**
   * How the background work of each collection is getting on: for an internal query, a dashboard, an alert. Who
   * subscribes is called when the follower has moved, not at each push.
   *
   * @param options.now - in ms since 1970; default: the time. A dashboard passes its own, to the minute, say: a query
   *   does not run again because time passes, and a follower that stands still does nothing that would make it
   */
  health(
    ctx: Pick<GenericQueryCtx<DM>, "runQuery">,
    { now = Date.now() }: { readonly now?: number } = {},
  ): Promise<CollectionHealth[]> {
    return readHealth(ctx, this.#registry, now);
  }

  /** How many documents a scope has, and what is stored of them, as far as the follower has come. In O(log n). */
  stats(
    ctx: Pick<GenericQueryCtx<DM>, "runQuery">,
    definition: AnyCollection,
    scope = "",
  ): Promise<ScopeStats> {
    return readStats(ctx, this.#registry, definition.name, scope);
  }

  /**
   * The plain text of a document's text or rich text, its first 64 KiB, as far as the follower has come: seconds behind.
   * Empty if there is none.
   */
  text<C extends AnyCollection>(
    ctx: Pick<GenericQueryCtx<DM>, "runQuery">,
    definition: C,
    id: string,
    field: PartOf<C>,
  ): Promise<string> {
    return readText(ctx, this.#registry, definition, id, field);
  }

  /** The functions that clients call: `export const { push, pull, status } = replicate.api();` */
  api(): ReplicateFunctions {
    const registry = this.#registry;
    return {
      push: mutationGeneric({
        args: pushArgs,
        returns: vPushResult,
        handler: (ctx, args) => runPush(ctx, registry, args),
      }),
      pull: queryGeneric({
        args: pullArgs,
        returns: vPullResult,
        handler: async (ctx: GenericQueryCtx<GenericDataModel>, args) => {
          const { collection, scope } = args;
          if (!(await mayRead(ctx, registry, collection, scope))) return { type: "denied" as const };
          const page = await ctx.runQuery(registry.component.stream.page, args);
          const { schemaVersion } = findCollection(registry, collection).definition;
          return page.type === "page" && schemaVersion > 1 ? { ...page, schemaVersion } : page;
        },
      }),
      status: queryGeneric({
        args: statusArgs,
        returns: vStatusResult,
        handler: async (ctx: GenericQueryCtx<GenericDataModel>, args) =>
          await ctx.runQuery(registry.component.receipts.status, { ...args, user: await registry.user(ctx) }),
      }),
      rows: rowsFunction(registry),
      ...partFunctions(registry),
      ...sessionFunctions(registry),
      ...historyFunctions(registry),
      maintain: maintainFunction(registry),
    } as ReplicateFunctions;
  }
}
