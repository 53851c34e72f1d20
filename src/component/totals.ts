// Live totals. Fed by the follower only, in the transaction in which it moves on and changes the heads they sum up:
// each change is counted exactly once.
import { DirectAggregate } from "@convex-dev/aggregate";
import { ShardedCounter } from "@convex-dev/sharded-counter";
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { components } from "./_generated/api.js";
import { query, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import type { HeadChange } from "./heads.js";

/** What a document adds to the totals. */
export interface Weight {
  readonly scope: string | null;
  readonly deleted: boolean;
  /** Of a part: it counts as bytes of its scope, and not as a document. */
  readonly isPart: boolean;
  readonly deltas: number;
  readonly snapshots: number;
  readonly bytes: number;
}

export const noWeight: Weight = {
  scope: null,
  deleted: true,
  isPart: false,
  deltas: 0,
  snapshots: 0,
  bytes: 0,
};

const counted = ["deltas", "snapshots", "bytes"] as const;

// A follower is alone with its collection: one shard is as good as many, and read at once.
const counter = new ShardedCounter<string>(components.shardedCounter, { defaultShards: 1 });
const byScope = new DirectAggregate<{ Namespace: string[]; Key: string; Id: string }>(components.aggregate);

export async function addTotals(
  ctx: MutationCtx,
  collection: string,
  changes: readonly HeadChange[],
): Promise<void> {
  for (const name of counted) {
    const more = changes.reduce((sum, { before, after }) => sum + after[name] - before[name], 0);
    if (more !== 0) await counter.add(ctx, keyOf(collection, name), more);
  }
  for (const change of changes) await addToScope(ctx, collection, change);
}

/** Deleted documents are no documents of their scope any more. */
async function addToScope(
  ctx: MutationCtx,
  collection: string,
  { document, part, before, after }: HeadChange,
): Promise<void> {
  const [from, to] = [scopeOf(before), scopeOf(after)];
  if (from === to && before.bytes === after.bytes) return;
  const key = part === "" ? document : `${document}\0${part}`;
  const namespaceOf = (scope: string) => (part === "" ? [collection, scope] : [collection, scope, "parts"]);
  const item = { key, id: key };
  if (from !== null && from !== to)
    await byScope.deleteIfExists(ctx, { ...item, namespace: namespaceOf(from) });
  if (to === null) return;
  const namespace = namespaceOf(to);
  await byScope.replaceOrInsert(ctx, { ...item, namespace }, { key, namespace, sumValue: after.bytes });
}

function scopeOf({ scope, deleted }: Weight): string | null {
  return deleted ? null : scope;
}

function keyOf(collection: string, name: (typeof counted)[number]): string {
  return `${name} ${collection}`;
}

export async function totalsOf(
  ctx: QueryCtx,
  collection: string,
): Promise<Record<(typeof counted)[number], number>> {
  const totals = { deltas: 0, snapshots: 0, bytes: 0 };
  for (const name of counted) totals[name] = await counter.count(ctx, keyOf(collection, name));
  return totals;
}

/** Begins to count anew. Nothing may be counted meanwhile. */
export async function clearCounts(ctx: MutationCtx, collection: string): Promise<void> {
  for (const name of counted) await counter.reset(ctx, keyOf(collection, name));
}

/**
 * The same for the counts of its scopes, some at a time. A tree that is cleared stands anew behind the others: only
 * those that hold anything are cleared, or there would be no end.
 *
 * @returns where to go on; null: all is done
 */
export async function clearScopes(
  ctx: MutationCtx,
  collection: string,
  cursor: string | null,
): Promise<string | null> {
  const page = await byScope.paginateNamespaces(ctx, cursor ?? undefined, limits.clearedScopes);
  for (const namespace of page.page)
    if (namespace?.[0] === collection && (await byScope.count(ctx, { namespace })) > 0)
      await byScope.clear(ctx, { namespace });
  return page.isDone ? null : page.cursor;
}

/** How many documents a scope has, and what is stored of them, in O(log n). As far as the follower has come. */
export const ofScope = query({
  args: { collection: v.string(), scope: v.string() },
  returns: v.object({ documents: v.number(), bytes: v.number() }),
  handler: async (ctx, { collection, scope }) => {
    const [namespace, parts] = [
      [collection, scope],
      [collection, scope, "parts"],
    ];
    return {
      documents: await byScope.count(ctx, { namespace }),
      bytes: (await byScope.sum(ctx, { namespace })) + (await byScope.sum(ctx, { namespace: parts })),
    };
  },
});
