import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import type { Value } from "convex/values";
import { encodeSnapshot, mergeUpdate, openDocument } from "../shared/document.js";
import type { ErrorCode } from "../shared/errorCodes.js";
import { limits } from "../shared/limits.js";
import { readMain, type MainState } from "../shared/mainDocument.js";
import type { PushOperation, PushTransaction, TransactionStatus } from "../shared/wire.js";
import { checkWrite, type CheckedWrite } from "./checkWrite.js";
import { hookFailure, refusalIn } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import type { LoadedState } from "./states.js";

type ReceiptOutcome = Exclude<
  TransactionStatus extends infer S ? (S extends { id: string } ? Omit<S, "id"> : never) : never,
  { status: "unknown" }
>;
type Refusal = { code: ErrorCode; message: string; data?: Value };

/** What a push's transactions are judged by. */
export interface PushContext {
  readonly registry: Registry;
  readonly client: string;
  readonly user: string | null;
  /** When the client was last noted; null: this is its first push. */
  readonly seenAt: number | null;
  /** Outcomes of transactions that were answered before. */
  readonly answered: ReadonlyMap<string, ReceiptOutcome>;
  /** The client that each Yjs id of the push is registered to; null: to none yet. */
  readonly authorClients: ReadonlyMap<number, string | null>;
  /** By `collection\0document`; a document whose state was too large to be read is not there. */
  readonly states: ReadonlyMap<string, LoadedState>;
}

/** A document that changes its scope. */
export interface ScopeMove {
  /** Where it is stored so far. */
  readonly from: string;
  /** Its whole state after the write, as a snapshot blob. */
  readonly bytes: ArrayBuffer;
}

/** A write that is going to be made. */
export interface AcceptedWrite {
  readonly collection: RegisteredCollection;
  readonly id: string;
  readonly scope: string;
  readonly move: ScopeMove | null;
  readonly change: CheckedWrite["change"];
  readonly author: number;
  readonly bytes: ArrayBuffer;
  readonly schemaVersion: number;
}

export type Evaluation = { readonly transaction: PushTransaction } & (
  | { readonly type: "accepted"; readonly writes: readonly AcceptedWrite[] }
  | { readonly type: "refused"; readonly refusal: Refusal }
  | { readonly type: "gap" }
  | { readonly type: "answered"; readonly outcome: ReceiptOutcome }
);

type Judgement =
  AcceptedWrite | { readonly type: "gap" } | { readonly type: "refused"; readonly refusal: Refusal };

/** Judges one transaction. Changes nothing: the first of its operations that does not stand decides for all. */
export async function evaluateTransaction(
  ctx: GenericMutationCtx<GenericDataModel>,
  context: PushContext,
  transaction: PushTransaction,
): Promise<Evaluation> {
  const { ids, operations } = transaction;
  const outcomes = ids.map((id) => context.answered.get(id));
  const [outcome] = outcomes;
  if (outcome !== undefined && outcomes.every((each) => each !== undefined))
    return { type: "answered", transaction, outcome };
  if (outcomes.some((each) => each !== undefined))
    return {
      transaction,
      ...refused("invalid_update", "Some of the coalesced transactions were answered before, others not."),
    };
  const writes: AcceptedWrite[] = [];
  for (const operation of operations) {
    const judgement = await judge(ctx, context, operation);
    if ("type" in judgement) return { transaction, ...judgement };
    writes.push(judgement);
  }
  return { type: "accepted", transaction, writes };
}

async function judge(
  ctx: GenericMutationCtx<GenericDataModel>,
  context: PushContext,
  operation: PushOperation,
): Promise<Judgement> {
  const { collection: name, document: id, part, schemaVersion, bytes } = operation;
  const collection = context.registry.collections.get(name);
  if (collection === undefined)
    return refused("unknown_collection", `The server has no collection ${JSON.stringify(name)}.`);
  const { definition } = collection;
  if (part !== "")
    return refused("invalid_update", `Collection "${name}" has no part ${JSON.stringify(part)}.`);
  if (schemaVersion > definition.schemaVersion)
    return refused(
      "schema_too_new",
      `The change was made with version ${schemaVersion} of "${name}", the server knows ${definition.schemaVersion}.`,
    );
  if (bytes.byteLength > limits.updateBytes)
    return refused(
      "too_large",
      `An update has at most ${limits.updateBytes} bytes, that of "${id}" has ${bytes.byteLength}.`,
    );
  const merged = mergeOperation(context, operation);
  if (merged.type !== "merged") return merged;
  const { doc, storedScope, before, after, author, writes } = merged;
  const check = checkWrite(definition, id, before, after, writes);
  if (check.type === "gap") return { type: "gap" };
  if (check.type === "refused") return refused(check.code, check.message);
  const { change, scope, previousScope } = check;
  const denial = await authorise(ctx, context, collection, { id, scope, previousScope, ...change });
  if (denial !== null) return { type: "refused", refusal: denial };
  const move = moveOf(storedScope, scope, doc);
  return { collection, id, scope, move, change, author, bytes, schemaVersion };
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
  return { type: "merged" as const, doc, storedScope: state.scope, before, after, author, writes };
}

/** @returns why the user may not make the write, or null if they may */
async function authorise(
  ctx: GenericMutationCtx<GenericDataModel>,
  { user }: PushContext,
  { definition, write }: RegisteredCollection,
  request: Pick<AcceptedWrite, "id" | "scope"> & {
    readonly previousScope: string | null;
  } & AcceptedWrite["change"],
): Promise<Refusal | null> {
  try {
    if ((await write(ctx, { user, ...request })) === true) return null;
  } catch (error) {
    const refusal = refusalIn(error);
    if (refusal !== null) return refusal;
    throw hookFailure("write", definition.name, error);
  }
  return { code: "denied", message: `You may not change document "${request.id}" of "${definition.name}".` };
}

function refused(code: ErrorCode, message: string): { readonly type: "refused"; readonly refusal: Refusal } {
  return { type: "refused", refusal: { code, message: message.slice(0, limits.messageLength) } };
}
