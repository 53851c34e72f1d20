import {
  actionGeneric as action,
  mutationGeneric as mutation,
  queryGeneric as query,
  type StorageId,
} from "convex/server";
import { v, type GenericId } from "convex/values";

const id = v.string();

export const store = action({
  args: { text: v.string(), type: v.optional(v.string()) },
  handler: async (ctx, { text, type }): Promise<string> =>
    ctx.storage.store(new Blob([text], type === undefined ? {} : { type })),
});

export const read = action({
  args: { id },
  handler: async (ctx, { id }) => (await (await ctx.storage.get(id as StorageId))?.text()) ?? null,
});

export const url = query({ args: { id }, handler: (ctx, { id }) => ctx.storage.getUrl(id as StorageId) });

export const urlInAction = action({
  args: { id },
  handler: (ctx, { id }) => ctx.storage.getUrl(id as StorageId),
});

export const metadata = query({
  args: { id },
  handler: (ctx, { id }) => ctx.db.system.get(id as GenericId<"_storage">),
});

export const all = query({ args: {}, handler: (ctx) => ctx.db.system.query("_storage").collect() });

export const remove = mutation({
  args: { id, isRefused: v.boolean() },
  handler: async (ctx, { id, isRefused }) => {
    await ctx.storage.delete(id as StorageId);
    if (isRefused) throw new Error("refused after deleting");
  },
});

export const removeInAction = action({
  args: { id },
  handler: (ctx, { id }) => ctx.storage.delete(id as StorageId),
});

export const uploadUrl = mutation({ args: {}, handler: (ctx) => ctx.storage.generateUploadUrl() });

export const validate = query({ args: { id: v.id("_storage") }, handler: (_ctx, { id }) => id });
