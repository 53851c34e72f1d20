import { queryGeneric, type GenericDataModel, type GenericQueryCtx } from "convex/server";
import { isPart, type AnyCollection, type Field } from "../collections/index.js";
import { limits } from "../shared/limits.js";
import { parsePart } from "../shared/partDocument.js";
import { pullPartArgs, vPullPartResult, type PullPartArgs, type PullPartResult } from "../shared/wire.js";
import { faultOfId } from "./checkPush.js";
import { coded } from "./refuse.js";
import { findCollection, type Registry } from "./registration.js";
import type { ReplicateFunctions } from "./types.js";

type QueryCtx = GenericQueryCtx<GenericDataModel>;

/** The functions of `replicate.api()` that serve texts. */
export function partFunctions(registry: Registry): Pick<ReplicateFunctions, "pullPart"> {
  return {
    pullPart: queryGeneric({
      args: pullPartArgs,
      returns: vPullPartResult,
      handler: (ctx: QueryCtx, args) => pullPart(ctx, registry, args),
    }),
  } as Pick<ReplicateFunctions, "pullPart">;
}

/** Who may read the scope that a document is in now may read its parts (I-12). */
async function pullPart(ctx: QueryCtx, registry: Registry, args: PullPartArgs): Promise<PullPartResult> {
  const { component } = registry;
  const { collection, document, part } = args;
  const { definition, read } = findCollection(registry, collection);
  const fault = faultOfId("document id", document);
  if (fault !== null) throw coded("invalid_update", fault);
  checkPartOf(definition, part);
  if (args.cursor < 0n) throw coded("invalid_update", `A cursor is no negative number, got ${args.cursor}.`);
  const scope = await ctx.runQuery(component.parts.scopeOf, { collection, document });
  if (scope === null) return { type: "gone" };
  if ((await read(ctx, { user: await registry.user(ctx), scope })) !== true) return { type: "denied" };
  return ctx.runQuery(component.parts.page, args);
}

/** @throws ConvexError `invalid_update` if a collection has no such part */
export function checkPartOf(definition: AnyCollection, part: string): void {
  const name = part.length > limits.partLength ? null : parsePart(part);
  const fields = definition.fields as Record<string, Field>;
  const field = name !== null && Object.hasOwn(fields, name.field) ? fields[name.field] : undefined;
  if (field === undefined || !isPart(field))
    throw coded(
      "invalid_update",
      `Collection "${definition.name}" has no part ${JSON.stringify(part.slice(0, 80))}.`,
    );
}

/** The plain text of a part for the app's own functions: `limits.textBytes` of it, as far as the follower has come. */
export function readText(
  ctx: Pick<QueryCtx, "runQuery">,
  { component }: Registry,
  definition: AnyCollection,
  id: string,
  field: string,
): Promise<string> {
  checkPartOf(definition, field);
  return ctx.runQuery(component.parts.text, { collection: definition.name, document: id, field });
}
