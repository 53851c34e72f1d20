import type { GenericDataModel, GenericMutationCtx, GenericQueryCtx } from "convex/server";
import type { AnyCollection } from "../collections/index.js";
import type { ComponentApi } from "../component/_generated/component.js";
import { coded } from "./refuse.js";
import type { HistoryOptions } from "./types.js";
import type { WriteQueue } from "./writeQueue.js";

type Awaitable<T> = T | Promise<T>;
type MutationCtx = GenericMutationCtx<GenericDataModel>;

/** A collection with its hooks, whose types were checked where it was registered. */
export interface RegisteredCollection {
  readonly definition: AnyCollection;
  readonly table: string | undefined;
  readonly read: (
    ctx: GenericQueryCtx<GenericDataModel>,
    args: { readonly user: string | null; readonly scope: string },
  ) => Awaitable<boolean>;
  readonly write: (ctx: MutationCtx, request: object) => Awaitable<boolean>;
  /** Undefined: it keeps none. */
  readonly history: HistoryOptions | undefined;
  readonly onWrite: ((ctx: MutationCtx, notice: object) => Awaitable<void>) | undefined;
}

/** @throws ConvexError `unknown_collection` */
export function findCollection({ collections }: Registry, name: string): RegisteredCollection {
  const found = collections.get(name);
  if (found !== undefined) return found;
  throw coded("unknown_collection", `The server has no collection ${JSON.stringify(name.slice(0, 80))}.`);
}

/** Everything the functions of `replicate.api()` work with. */
export interface Registry {
  readonly component: ComponentApi;
  readonly collections: ReadonlyMap<string, RegisteredCollection>;
  readonly writes: WriteQueue;
  user(ctx: GenericQueryCtx<GenericDataModel> | MutationCtx): Awaitable<string | null>;
}
