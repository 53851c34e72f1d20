import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import { encodeSnapshot, mergeUpdate, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { clocksIn, readMain, type MainState } from "../shared/mainDocument.js";
import type { PushOperation, PushTransaction } from "../shared/wire.js";
import { judgePart } from "./evaluatePart.js";
import {
  authorise,
  refused,
  type AcceptedWrite,
  type Evaluation,
  type Judgement,
  type PushContext,
  type ScopeMove,
} from "./judgement.js";
import { checkWrite } from "./checkWrite.js";

/** Judges one transaction. Changes nothing: the first of its operations that does not stand decides for all. */
export async function evaluateTransaction(
  ctx: GenericMutationCtx<GenericDataModel>,
  context: PushContext,
  transaction: PushTransaction,
): Promise<Evaluation> {
  const { ids, operations } = transaction;
  const receipts = ids.map((id) => context.answered.get(id));
  const [receipt] = receipts;
  if (receipt !== undefined && receipts.every((each) => each !== undefined))
    return { type: "answered", transaction, outcome: receipt.outcome, ts: receipt.ts };
  // They were authored again in other company since, and this is a late copy: to refuse it would decide about the others,
  // of whom nobody would hear before they are sent themselves.
  if (receipts.some((each) => each !== undefined)) return { type: "gap", transaction };
  const writes: AcceptedWrite[] = [];
  // Main documents first: the parts of one that is inserted here belong to it.
  const inOrder = [...operations].sort((a, b) => Number(a.part !== "") - Number(b.part !== ""));
  for (const operation of inOrder) {
    const judgement = await judge(ctx, context, operation, writes);
    if ("type" in judgement) return { transaction, ...judgement };
    writes.push(judgement);
  }
  return { type: "accepted", transaction, writes };
}

async function judge(
  ctx: GenericMutationCtx<GenericDataModel>,
  context: PushContext,
  operation: PushOperation,
  earlier: readonly AcceptedWrite[],
): Promise<Judgement> {
  const { collection: name, document: id, part, schemaVersion, bytes } = operation;
  const collection = context.registry.collections.get(name);
  if (collection === undefined)
    return refused("unknown_collection", `The server has no collection ${JSON.stringify(name)}.`);
  const { definition } = collection;
  if (schemaVersion > definition.schemaVersion)
    return refused(
      "schema_too_new",
      `The change was made with version ${schemaVersion} of "${name}", the server knows ${definition.schemaVersion}.`,
    );
  if (part !== "") return judgePart(ctx, context, collection, operation, earlier);
  if (bytes.byteLength > limits.updateBytes)
    return refused(
      "too_large",
      `An update has at most ${limits.updateBytes} bytes, that of "${id}" has ${bytes.byteLength}.`,
    );
  const merged = mergeOperation(context, operation);
  if (merged.type !== "merged") return merged;
  const { doc, storedScope, before, after, author, writes, clocks } = merged;
  const check = checkWrite(definition, id, before, after, writes, { schemaVersion, clocks });
  if (check.type === "gap") return { type: "gap" };
  if (check.type === "refused") return refused(check.code, check.message);
  const { change, scope, previousScope } = check;
  const denial = await authorise(ctx, context, collection, { id, scope, previousScope, ...change });
  if (denial !== null) return { type: "refused", refusal: denial };
  const move = moveOf(storedScope, scope, doc);
  const { incarnation } = after;
  return {
    kind: "main",
    ...{ collection, id, scope, move, change, incarnation },
    ...{ authors: [author], bytes, schemaVersion },
  };
}

/** @returns null if the document is not stored yet, or stays where it is */
export function moveOf(
  storedScope: string | null,
  scope: string,
  doc: ReturnType<typeof openDocument>,
): ScopeMove | null {
  if (storedScope === null || storedScope === scope) return null;
  return { from: storedScope, bytes: encodeSnapshot(doc).buffer };
}

/** Merges an update into a document of its own: one that is refused leaves no trace. */
function mergeOperation({ client, states, authorClients }: PushContext, operation: PushOperation) {
  const { collection, document, bytes } = operation;
  const state = states.get(`${collection}\0${document}`);
  if (state === undefined)
    return refused(
      "too_large",
      `The documents of this transaction hold more than ${limits.pushStateBytes} bytes or ${limits.pushStateRows} deltas, which is what one may read. Change fewer of them together.`,
    );
  if (state.isCut) return { type: "gap" as const };
  const doc = openDocument(state.blobs);
  const before = readMain(doc);
  const clocks = clocksIn(doc);
  const outcome = mergeUpdate(doc, new Uint8Array(bytes));
  if (outcome.type === "invalid") return refused("invalid_update", outcome.message);
  // An author id in two hands is nobody's fault: its honest owner takes another and authors the change again.
  const owner = outcome.type === "merged" ? (authorClients.get(outcome.author) ?? client) : client;
  if (outcome.type === "gap" || owner !== client) return { type: "gap" as const };
  const mostBytes = bytes.byteLength + state.deltaBytes + state.snapshotBytes;
  const size = mostBytes > limits.mainDocumentBytes ? encodeSnapshot(doc).length : mostBytes;
  if (size > limits.mainDocumentBytes)
    return refused(
      "too_large",
      `Document "${document}" would have ${size} bytes; a document has at most ${limits.mainDocumentBytes}.`,
    );
  const { author, writes } = outcome;
  let after: MainState;
  try {
    after = readMain(doc);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // too deep to be walked through
    return refused("invalid_update", `A value in the update cannot be read: ${error.message}.`);
  }
  return { type: "merged" as const, doc, storedScope: state.scope, before, after, author, writes, clocks };
}
