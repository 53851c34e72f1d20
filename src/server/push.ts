import type { FunctionArgs, GenericDataModel, GenericMutationCtx } from "convex/server";
import { authorOf } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { shortId } from "../shared/logLine.js";
import { checkPartUpdate } from "../shared/partDocument.js";
import type { PushArgs, PushOperation, PushOutcome, PushResult, PushTransaction } from "../shared/wire.js";
import type { ComponentApi } from "../component/_generated/component.js";
import { checkPush } from "./checkPush.js";
import { evaluateTransaction } from "./evaluate.js";
import {
  placeKey,
  type AcceptedMain,
  type AcceptedWrite,
  type Evaluation,
  type PushContext,
} from "./judgement.js";
import { log } from "./log.js";
import { toldHistory } from "./historyOption.js";
import { maintainHandle } from "./maintain.js";
import { coded, hookFailure, refusalIn } from "./refuse.js";
import type { Registry } from "./registration.js";
import { findRow, writeRow } from "./rows.js";
import { loadStates, overdueOf, type DocumentKey, type LoadedState } from "./states.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
type AppendArgs = FunctionArgs<ComponentApi["append"]["append"]>;

/**
 * One push, in one transaction: judges each transaction by the merged state, then writes the app's rows and
 * appends the deltas of those that stand, with a receipt for each that has an outcome.
 *
 * It reads the client's own registration and receipts, and states on a stale snapshot; it writes what it appends,
 * and the rows of the documents it touches. So two pushes share a row only if they share a document (I-13). A
 * transaction with a receipt is answered from it and takes no effect again (I-3); one that is refused writes its
 * receipt only, and keeps none of the others from being applied (I-6, I-15).
 */
export async function runPush(ctx: MutationCtx, registry: Registry, args: PushArgs): Promise<PushResult> {
  try {
    const result = await judgePush(ctx, registry, args);
    if (result.type === "refused")
      log("INFO", "pushRefused", { reason: result.reason, client: shortId(args.client) });
    return result;
  } catch (error) {
    log("INFO", "pushRefused", { reason: refusalIn(error)?.code ?? "error", client: shortId(args.client) });
    throw error;
  }
}

async function judgePush(ctx: MutationCtx, registry: Registry, args: PushArgs): Promise<PushResult> {
  checkPush(args);
  const user = await registry.user(ctx);
  const context = await readContext(ctx, registry, args, user);
  if (typeof context === "string") return { type: "refused", reason: context };
  const evaluations: Evaluation[] = [];
  for (const transaction of args.transactions)
    evaluations.push(await evaluateTransaction(ctx, context, transaction));
  logRefusals(args.client, registry, evaluations);
  const accepted = evaluations.filter((each) => each.type === "accepted");
  for (const { writes } of accepted)
    for (const { collection, id, change } of writes)
      if (change.type !== "part" && collection.table !== undefined)
        await writeRow(
          ctx,
          collection.definition,
          collection.table,
          await findRow(ctx, collection.table, id),
          change.after,
        );
  const append = toAppend(args, context, evaluations, await maintainHandle(ctx, context.seenAt));
  if (append !== null) await ctx.runMutation(registry.component.append.append, append);
  // After the append: an effect that writes documents itself stands on what this push wrote (I-9).
  for (const { transaction, writes } of accepted) await runEffects(ctx, user, transaction, writes);
  return { type: "results", results: evaluations.map(toOutcome), ts: ctx.db.vars.commitTs };
}

/** @returns the reason why the push as a whole is put off, if it is. @throws ConvexError `client_taken` */
async function readContext(
  ctx: MutationCtx,
  registry: Registry,
  { client, epochs, hasUser, transactions }: PushArgs,
  user: string | null,
): Promise<PushContext | "epoch" | "identity"> {
  const operations = transactions.flatMap((transaction) => transaction.operations);
  const checkPart = onceEach((each: PushOperation) => checkPartUpdate(new Uint8Array(each.bytes)));
  const authors = [...new Set(operations.flatMap((each) => authorsOf(each, checkPart)))];
  if (authors.length > limits.pushAuthors)
    throw coded("too_large", `A push has ${limits.pushAuthors} authors at most, this one ${authors.length}.`);
  const registration = await ctx.runQuery(registry.component.registry.read, {
    client,
    transactions: transactions.flatMap((transaction) => transaction.ids),
    authors,
    collections: Object.keys(epochs),
  });
  const { owner, receipts, authorClients } = registration;
  if (user === null && hasUser === true) return "identity";
  if (owner !== undefined && owner.user !== user) {
    if (user === null) return "identity";
    throw coded(
      "client_taken",
      "This device's local data belongs to another user. Open a replica with the signed-in user's id.",
    );
  }
  if (Object.values(epochs).some((epoch, index) => epoch !== registration.epochs[index])) return "epoch";
  const answered = new Map(receipts.map((receipt) => [receipt.transaction, receipt]));
  const open = transactions.filter(({ ids }) => !ids.some((id) => answered.has(id)));
  const pushed = open
    .flatMap((transaction) => transaction.operations)
    .filter(({ collection }) => registry.collections.has(collection));
  // Of a document and its parts the state is read once.
  const documents = [
    ...new Map(pushed.map((each) => [`${each.collection}\0${each.document}`, each])).values(),
  ];
  const states = await loadStates(ctx, registry.component, documents);
  if (states.length < documents.length && open.length > 1)
    throw coded(
      "too_large",
      `The documents of this push hold more than ${limits.pushStateBytes} bytes or ${limits.pushStateRows} deltas, which is what one may read. Send fewer of its ${open.length} transactions at once.`,
    );
  return {
    registry,
    client,
    user,
    seenAt: owner?.seenAt ?? null,
    answered,
    authorClients: new Map(authors.map((author, index) => [author, authorClients[index] ?? null])),
    checkPart,
    fullness: await readFullness(ctx, registry, pushed),
    states: new Map(
      states.map((state, index) => {
        const { collection, document } = documents[index] as (typeof documents)[number];
        return [`${collection}\0${document}`, state];
      }),
    ),
  };
}

/** Decoding is what a check costs: it is done once. */
function onceEach<Key extends object, Value>(work: (key: Key) => Value): (key: Key) => Value {
  const done = new Map<Key, Value>();
  return (key) => {
    const value = done.get(key) ?? work(key);
    done.set(key, value);
    return value;
  };
}

/** Those whose structs an operation brings; nobody's if it cannot be decoded, which is told later. */
function authorsOf(operation: PushOperation, checkPart: PushContext["checkPart"]): readonly number[] {
  if (operation.part === "") return [authorOf(new Uint8Array(operation.bytes)) ?? []].flat();
  const check = checkPart(operation);
  return check.type === "part" ? check.authors : [];
}

/** On a stale snapshot: the follower, which marks parts as full, meets no push. */
async function readFullness(
  ctx: MutationCtx,
  { component }: Registry,
  operations: readonly PushOperation[],
): Promise<PushContext["fullness"]> {
  const parts = operations.filter(({ part }) => part !== "");
  if (parts.length === 0) return new Map();
  const places = parts.map(({ collection, document, part }) => ({ collection, document, part }));
  const found = await ctx.runQuery(component.parts.fullness, { parts: places }, { useStaleSnapshot: true });
  return new Map(places.map((place, index) => [placeKey(place), found[index] ?? "open"]));
}

/** A hook that throws takes the whole push with it; a refusal names the transaction, so that the client isolates it. */
async function runEffects(
  ctx: MutationCtx,
  user: string | null,
  { ids }: PushTransaction,
  writes: readonly AcceptedWrite[],
): Promise<void> {
  for (const { collection, id, change } of writes) {
    try {
      await collection.onWrite?.(ctx, { user, id, source: "client", ...change });
    } catch (error) {
      const refusal = refusalIn(error);
      if (refusal === null) throw hookFailure("onWrite", collection.definition.name, error);
      throw coded(refusal.code, refusal.message, refusal.data, ids);
    }
  }
}

/** @returns null if there is nothing to keep: every transaction was answered before, or is a gap */
function toAppend(
  { client, settledBelow, transactions }: PushArgs,
  { registry, user, seenAt, authorClients, states }: PushContext,
  evaluations: readonly Evaluation[],
  handle: { readonly maintain?: string },
): AppendArgs | null {
  const receipts = evaluations.flatMap(receiptsOf);
  const accepted = evaluations.filter((each) => each.type === "accepted");
  const writes = accepted.flatMap((each) => each.writes);
  const mains = writes.filter((write) => write.kind === "main");
  const staying = mains.filter(({ move }) => move === null);
  const overdue = overdueOf(staying.map((write) => ({ key: keyOf(write), state: stateOf(write) })));
  const cut = transactions
    .flatMap(({ operations }) => operations)
    .filter(({ collection, document }) => states.get(`${collection}\0${document}`)?.isCut)
    .map(({ collection, document }) => ({ collection, document }));
  if (receipts.length === 0 && cut.length === 0) return null;
  const authors = new Set(writes.flatMap((write) => write.authors));
  return {
    deltas: accepted.flatMap(({ transaction, writes: own }) =>
      own
        .filter((write) => write.kind === "part" || write.move === null)
        .map((write) => ({
          ...keyOf(write),
          ...(write.kind === "part" ? { part: write.part } : { part: "", scope: write.scope }),
          bytes: write.bytes,
          client,
          transactions: transaction.ids,
          schemaVersion: write.schemaVersion,
        })),
    ),
    moves: mains.flatMap((write) => {
      const { move, scope: to } = write;
      return move === null ? [] : [{ ...keyOf(write), from: move.from, to, bytes: move.bytes }];
    }),
    guarded: mains.filter(({ collection }) => collection.table === undefined).map(keyOf),
    overdue: [...cut, ...overdue],
    ...toldHistory([
      ...writes.map(({ collection }) => collection),
      ...cut.flatMap(({ collection }) => registry.collections.get(collection) ?? []),
    ]),
    push: {
      ...handle,
      client,
      user,
      settledBelow,
      seenAt,
      authors: [...authors].filter((author) => authorClients.get(author) === null),
      receipts,
    },
  };

  function stateOf(write: AcceptedMain): LoadedState {
    const { collection, document } = keyOf(write);
    return states.get(`${collection}\0${document}`) as LoadedState;
  }
}

function keyOf({ collection, id }: AcceptedWrite): DocumentKey {
  return { collection: collection.definition.name, document: id };
}

/** Not what was refused, nor the message, which quotes it: the app's developer finds both at the client. */
function logRefusals(client: string, { collections }: Registry, evaluations: readonly Evaluation[]): void {
  for (const each of evaluations) {
    if (each.type !== "refused" && each.type !== "gap") continue;
    const names = each.transaction.operations.map(({ collection }) => collection);
    log("INFO", "transactionRefused", {
      code: each.type === "gap" ? "gap" : each.refusal.code,
      client: shortId(client),
      collection: names.find((name) => collections.has(name)) ?? null,
      operations: names.length,
    });
  }
}

/** A receipt for each local transaction whose outcome is new and for good. */
function receiptsOf(evaluation: Evaluation): NonNullable<AppendArgs["push"]>["receipts"] {
  if (evaluation.type !== "accepted" && evaluation.type !== "refused") return [];
  // No outcome: it is judged anew once the server, or the app that made it, knows the version.
  if (evaluation.type === "refused" && evaluation.refusal.code === "schema_too_new") return [];
  const { ids, sequence } = evaluation.transaction;
  const outcome =
    evaluation.type === "accepted"
      ? ({ status: "applied" } as const)
      : ({ status: "rejected", ...evaluation.refusal } as const);
  return ids.map((transaction) => ({ transaction, sequence, outcome }));
}

function toOutcome(evaluation: Evaluation): PushOutcome {
  const { ids } = evaluation.transaction;
  switch (evaluation.type) {
    case "accepted":
      return { ids, status: "applied" };
    case "gap":
      return { ids, status: "gap" };
    case "refused":
      return { ids, status: "rejected", ...evaluation.refusal };
    case "answered":
      return evaluation.outcome.status === "applied"
        ? { ids, status: "duplicate", ts: evaluation.ts }
        : { ids, ...evaluation.outcome };
  }
}
