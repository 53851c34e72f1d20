// What is stored of documents and parts, for the follower.
import { v, type Infer } from "convex/values";
import { encodeSnapshot, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { beginningOf, openPart, parsePart, piecesOf, plainText } from "../shared/partDocument.js";
import { internalQuery, type QueryCtx } from "./_generated/server.js";
import { committedTs } from "./committedTs.js";
import { vPart, type Place } from "./heads.js";
import { loadState, type State } from "./states.js";

const vMeasured = v.object({
  ...vPart.fields,
  /** Null: nothing is stored of it, or of a part's document in the life that the part belongs to. */
  scope: v.union(v.string(), v.null()),
  deltaCount: v.number(),
  deltaBytes: v.number(),
  snapshotBytes: v.number(),
  lastTs: v.int64(),
  oldestTs: v.optional(v.int64()),
  deleted: v.boolean(),
  incarnation: v.number(),
  /** Of a part: its plain text, `limits.textBytes` of it at most. */
  text: v.optional(v.string()),
  isFull: v.optional(v.boolean()),
  /** There are newer deltas, which were not read. */
  isCut: v.boolean(),
  /** Why its bytes cannot be read; it is not known whether it is deleted then. */
  fault: v.optional(v.string()),
});
export type Measured = Infer<typeof vMeasured>;
const vMeasurement = v.object({ snapshotTs: v.int64(), measured: v.array(vMeasured) });
export type Measurement = Infer<typeof vMeasurement>;

/**
 * Call it with `useStaleSnapshot`: it reads what pushes write. It opens documents and parts as long as they have
 * `limits.followedBytes` together, and reads `limits.followedRows`; `measured` is shorter than `places` then.
 */
export const measure = internalQuery({
  args: { collection: v.string(), places: v.array(vPart) },
  returns: vMeasurement,
  handler: async (ctx, { collection, places }) => {
    const measured: Measured[] = [];
    let [bytes, rows] = [0, 0];
    for (const place of places) {
      if (rows > limits.followedRows) break;
      const state = await loadState(ctx, { collection, ...place });
      const owner =
        place.part === "" ? null : await loadState(ctx, { collection, document: place.document, part: "" });
      for (const { deltaRows, deltaBytes, snapshotBytes } of [state, owner ?? []].flat()) {
        bytes += deltaBytes + snapshotBytes;
        rows += deltaRows.length;
      }
      // What is too much with those before it was read in vain, and comes first the next time.
      if (measured.length > 0 && bytes > limits.followedBytes) break;
      measured.push(
        await (owner === null ? measureMain(ctx, place, state) : measurePart(ctx, place, state, owner)),
      );
    }
    return { snapshotTs: await ctx.meta.getSnapshotTs(), measured };
  },
});

async function measureMain(ctx: QueryCtx, place: Place, state: State): Promise<Measured> {
  const found = { ...place, scope: state.scope, ...(await weigh(ctx, state)) };
  if (state.scope === null) return { ...found, deleted: true, incarnation: 0 };
  try {
    const { existence, incarnation } = readMain(openDocument(blobsOf(state)));
    return { ...found, deleted: existence !== "present", incarnation };
  } catch (error) {
    // One document that cannot be read keeps no other waiting (I-15).
    return { ...found, deleted: false, incarnation: 0, fault: faultOf(error) };
  }
}

/** A part goes with its document, and with the life of it that it belongs to. */
async function measurePart(ctx: QueryCtx, place: Place, state: State, owner: State): Promise<Measured> {
  const name = parsePart(place.part);
  const incarnation = name?.incarnation ?? 0;
  const main = await measureMain(ctx, { ...place, part: "" }, owner);
  const isOver = main.deleted || (main.fault === undefined && main.incarnation > incarnation);
  const scope = isOver || state.ts === 0n ? null : main.scope;
  const found = { ...place, scope, deleted: false, incarnation, ...(await weigh(ctx, state)) };
  if (scope === null) return found;
  try {
    const doc = openPart(blobsOf(state), state.pieces);
    const isLarge = found.deltaBytes + found.snapshotBytes > limits.partBytes;
    const isFull =
      piecesOf(doc) > limits.partPieces || (isLarge && encodeSnapshot(doc).length > limits.partBytes);
    return { ...found, text: beginningOf(plainText(doc, limits.textBytes), limits.textBytes), isFull };
  } catch (error) {
    return { ...found, isFull: isTooLarge(state), fault: faultOf(error) };
  }
}

async function weigh(ctx: QueryCtx, { deltaRows, deltaBytes, snapshotBytes, ts, isCut }: State) {
  const [first] = deltaRows;
  const oldest = first === undefined ? null : await ctx.db.get("deltas", first);
  return {
    deltaCount: deltaRows.length,
    deltaBytes,
    snapshotBytes,
    isCut,
    lastTs: ts,
    ...(oldest === null ? {} : { oldestTs: committedTs(oldest) }),
  };
}

/** Nobody can open it. */
function isTooLarge({ deltaBytes, snapshotBytes, pieces }: State): boolean {
  return deltaBytes + snapshotBytes > limits.partStateBytes || pieces > limits.partStatePieces;
}

function blobsOf({ blobs }: State): Uint8Array[] {
  return blobs.map((blob) => new Uint8Array(blob));
}

function faultOf(error: unknown): string {
  return `It cannot be read: ${String(error)}`.slice(0, limits.messageLength);
}
