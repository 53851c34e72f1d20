import type { GenericDataModel, GenericQueryCtx } from "convex/server";
import type { CollectionHealth, ScopeStats } from "../shared/wire.js";
import type { Registry } from "./registration.js";

type Reader = Pick<GenericQueryCtx<GenericDataModel>, "runQuery">;

export async function readHealth(
  ctx: Reader,
  { component, collections }: Registry,
  now: number,
): Promise<CollectionHealth[]> {
  const all: CollectionHealth[] = [];
  for (const collection of collections.keys())
    all.push(await ctx.runQuery(component.health.ofCollection, { collection, now }));
  return all;
}

export function readStats(
  ctx: Reader,
  { component }: Registry,
  collection: string,
  scope: string,
): Promise<ScopeStats> {
  return ctx.runQuery(component.totals.ofScope, { collection, scope });
}
