import { v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import { pullArgs, vCursor, vReset, type Page } from "../shared/wire.js";
import { api } from "./_generated/api.js";
import { query, type QueryCtx } from "./_generated/server.js";
import { loadState, type State } from "./states.js";

const vExported = v.object({
  document: v.string(),
  /** Null: nothing is stored of it any more. */
  scope: v.union(v.string(), v.null()),
  /** Of its newest change. */
  ts: v.int64(),
  blobs: v.array(v.bytes()),
  /** The newest deltas are missing. */
  isCut: v.boolean(),
  /** The plain text of its parts, as far as the follower has come. */
  texts: v.array(v.object({ field: v.string(), text: v.string() })),
});
export type Exported = Infer<typeof vExported>;
type Reset = Infer<typeof vReset>;

const vExportPage = v.object({
  type: v.literal("page"),
  epoch: v.string(),
  /** Each once, in the order in which the stream meets them. */
  documents: v.array(vExported),
  cursor: vCursor,
  horizon: v.optional(v.int64()),
  done: v.boolean(),
});

/**
 * The next documents of a scope, whole. It goes along the scope's stream, as a client's pull does, and shows of each
 * document it meets the state it has now: so what a pull never skips (I-11), an export never skips, however much is
 * written, compacted or moved between two pages; and it reads nothing of other scopes. A document that changes after
 * its page stands further on and is met again: the later one counts. At `done` all that was shown, later over earlier,
 * is the scope at one moment, that of the last page.
 */
export const page = query({
  args: { ...pullArgs, limit: v.number() },
  returns: v.union(vExportPage, vReset),
  handler: async (ctx, { limit, ...args }): Promise<Infer<typeof vExportPage> | Reset> => {
    // What has left before it began was never met; the stream's own horizon may end with a page that is cut short here.
    const horizon = args.horizon ?? (args.cursor.ts === 0n ? await ctx.meta.getSnapshotTs() : undefined);
    const pulled: Page | Reset = await ctx.runQuery(api.stream.page, {
      ...args,
      ...(horizon === undefined ? {} : { horizon }),
    });
    if (pulled.type === "reset") return pulled;
    const documents = new Map<string, Exported>();
    let [bytes, cursor, isCut] = [0, args.cursor, false];
    for (const { ts, document } of pulled.entries) {
      // "": what concerns the scope as a whole, and no document.
      if (document !== "" && !documents.has(document)) {
        isCut = documents.size >= limit || bytes >= limits.exportedBytes;
        if (isCut) break;
        const state = await loadState(ctx, { collection: args.collection, document, part: "" });
        const texts = await textsOf(ctx, args.collection, document);
        documents.set(document, { ...toExported(document, state), texts });
        bytes += state.deltaBytes + state.snapshotBytes;
        for (const { text } of texts) bytes += 2 * text.length;
      }
      cursor = { ts, document };
    }
    if (!isCut) cursor = pulled.cursor;
    const isBehind = horizon !== undefined && cursor.ts < horizon;
    return {
      type: "page" as const,
      epoch: pulled.epoch,
      documents: [...documents.values()],
      cursor,
      ...(isBehind ? { horizon } : {}),
      done: pulled.done && !isCut,
    };
  },
});

async function textsOf(ctx: QueryCtx, collection: string, document: string): Promise<Exported["texts"]> {
  const texts = await ctx.db
    .query("texts")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .take(limits.documentParts);
  return texts.map(({ field, text }) => ({ field, text }));
}

function toExported(document: string, { scope, ts, blobs, isCut }: State): Omit<Exported, "texts"> {
  return { document, scope, ts, blobs, isCut };
}
