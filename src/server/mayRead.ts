import type { GenericDataModel, GenericQueryCtx } from "convex/server";
import { limits } from "../shared/limits.js";
import { coded } from "./refuse.js";
import { findCollection, type Registry } from "./registration.js";

/** Whether who calls may read a scope. @throws ConvexError `unknown_collection`, `too_large` */
export async function mayRead(
  ctx: GenericQueryCtx<GenericDataModel>,
  registry: Registry,
  collection: string,
  scope: string,
): Promise<boolean> {
  const { read } = findCollection(registry, collection);
  if (scope.length > limits.idLength)
    throw coded("too_large", `A scope has at most ${limits.idLength} characters, this one ${scope.length}.`);
  return (await read(ctx, { user: await registry.user(ctx), scope })) === true;
}
