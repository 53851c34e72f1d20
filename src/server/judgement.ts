// What a push's transactions are judged by, and what comes of it.
import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import type { Value } from "convex/values";
import type { PlainRow } from "../collections/index.js";
import type { ErrorCode } from "../shared/errorCodes.js";
import { limits } from "../shared/limits.js";
import type { PartUpdateCheck } from "../shared/partDocument.js";
import type { PushOperation, PushTransaction, TransactionStatus } from "../shared/wire.js";
import type { CheckedWrite } from "./checkWrite.js";
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
  /** Transactions that were answered before. */
  readonly answered: ReadonlyMap<string, { readonly outcome: ReceiptOutcome; readonly ts: bigint }>;
  /** The client that each Yjs id of the push is registered to; null: to none yet. */
  readonly authorClients: ReadonlyMap<number, string | null>;
  /** By `collection\0document`; a document whose state was too large to be read is not there. */
  readonly states: ReadonlyMap<string, LoadedState>;
  /** What an operation on a part holds. */
  checkPart(operation: PushOperation): PartUpdateCheck;
  /** What parts still take, by `placeKey`: `full` ones only deletions, `closed` ones nothing. */
  readonly fullness: ReadonlyMap<string, "open" | "full" | "closed">;
}

/** A document that changes its scope. */
export interface ScopeMove {
  /** Where it is stored so far. */
  readonly from: string;
  /** Its whole state after the write, as a snapshot blob. */
  readonly bytes: ArrayBuffer;
}

/** A write to a main document that is going to be made. */
export interface AcceptedMain {
  readonly kind: "main";
  readonly collection: RegisteredCollection;
  readonly id: string;
  readonly scope: string;
  readonly move: ScopeMove | null;
  readonly change: CheckedWrite["change"];
  /** In which life the document is then. */
  readonly incarnation: number;
  readonly authors: readonly number[];
  readonly bytes: ArrayBuffer;
  readonly schemaVersion: number;
}

/** A change of a part that is going to be appended. Nothing in the app's tables changes with it. */
export interface AcceptedPart {
  readonly kind: "part";
  readonly collection: RegisteredCollection;
  readonly id: string;
  readonly part: string;
  readonly change: {
    readonly type: "part";
    /** The field. */
    readonly part: string;
    readonly before: PlainRow;
    readonly after: PlainRow;
  };
  readonly authors: readonly number[];
  readonly bytes: ArrayBuffer;
  readonly schemaVersion: number;
}

export type AcceptedWrite = AcceptedMain | AcceptedPart;

export type Evaluation = { readonly transaction: PushTransaction } & (
  | { readonly type: "accepted"; readonly writes: readonly AcceptedWrite[] }
  | { readonly type: "refused"; readonly refusal: Refusal }
  | { readonly type: "gap" }
  | { readonly type: "answered"; readonly outcome: ReceiptOutcome; readonly ts: bigint }
);

export type Judgement =
  AcceptedWrite | { readonly type: "gap" } | { readonly type: "refused"; readonly refusal: Refusal };

export function placeKey({
  collection,
  document,
  part,
}: {
  collection: string;
  document: string;
  part: string;
}) {
  return JSON.stringify([collection, document, part]);
}

/** @returns why the user may not make the write, or null if they may */
export async function authorise(
  ctx: GenericMutationCtx<GenericDataModel>,
  { user }: Pick<PushContext, "user">,
  { definition, write }: RegisteredCollection,
  request: Pick<AcceptedMain, "id" | "scope"> & {
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

export function refused(
  code: ErrorCode,
  message: string,
): { readonly type: "refused"; readonly refusal: Refusal } {
  return { type: "refused", refusal: { code, message: message.slice(0, limits.messageLength) } };
}
