import {
  createFunctionHandle,
  makeFunctionReference,
  type FunctionReference,
  type GenericActionCtx,
  type GenericDataModel,
  type GenericMutationCtx,
} from "convex/server";
import type { AnyCollection } from "../collections/index.js";
import type { ComponentApi } from "../component/_generated/component.js";
import { limits } from "../shared/limits.js";
import { coded } from "./refuse.js";
import { chunksOf, type StagedChunk } from "./stageRows.js";
import type { ImportOptions } from "./types.js";

type ActionCtx = GenericActionCtx<GenericDataModel>;
type Maintain = FunctionReference<"mutation", "internal">;
type MutationCtx = GenericMutationCtx<GenericDataModel>;

/**
 * Stages rows of an import. In a mutation they are staged in its transaction, which bounds how many they can be; in an
 * action in several, after all of them have been checked.
 *
 * @returns the job's id
 * @throws ConvexError `invalid_row`, `too_large`, `unknown_document`, `closed`
 */
export async function runImport(
  ctx: MutationCtx | ActionCtx,
  component: ComponentApi,
  definition: AnyCollection,
  rows: readonly unknown[],
  { job: known, more = false, maintain }: ImportOptions = {},
): Promise<string> {
  const isMutation = "db" in ctx;
  if (isMutation && rows.length > limits.importRowsAtOnce)
    throw tooMuch(`${limits.importRowsAtOnce} rows`, String(rows.length));
  const chunks = chunksOf(definition, rows);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  if (isMutation && bytes > limits.importBytesAtOnce)
    throw tooMuch(`${limits.importBytesAtOnce} bytes of rows as JSON`, String(bytes));
  const handle = await maintainHandleFor(ctx, definition.name, maintain);
  const stages = isMutation ? [chunks] : inStages(chunks);
  let job = known ?? null;
  for (const [index, stage] of stages.entries())
    job = await ctx.runMutation(component.imports.stage, {
      job,
      collection: definition.name,
      ...(handle === null ? {} : { maintain: handle }),
      chunks: stage.map(({ count, rows: text }) => ({ count, rows: text })),
      isLast: !more && index === stages.length - 1,
    });
  return job as string;
}

function tooMuch(limit: string, value: string) {
  return coded(
    "too_large",
    `From a mutation import takes ${limit} at most, got ${value}: call it from an action, or several times with {more: true} and the job.`,
  );
}

/** At least one, so that an import of nothing is one too. */
function inStages(chunks: readonly StagedChunk[]): StagedChunk[][] {
  const stages: StagedChunk[][] = [];
  let open: StagedChunk[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    if (
      open.length > 0 &&
      (open.length === limits.importStagedChunks || bytes + chunk.bytes > limits.importStagedBytes)
    ) {
      stages.push(open);
      [open, bytes] = [[], 0];
    }
    open.push(chunk);
    bytes += chunk.bytes;
  }
  return [...stages, open];
}

/**
 * The handle of `maintain`, by which the component has rows taken in. It stands where the app exports what
 * `replicate.api()` returned, which nothing can tell: so what the app says; else the function of that name in the module
 * that calls, or in `replicate`, where the guide puts it. Each is asked whether it knows the collection: it may be that
 * of another `Replicate`.
 *
 * @returns null: none of these is there; the component may know it from a push
 */
async function maintainHandleFor(
  ctx: MutationCtx | ActionCtx,
  collection: string,
  given: Maintain | undefined,
): Promise<string | null> {
  if (given !== undefined) {
    await ask(ctx, given, collection);
    return await createFunctionHandle(given);
  }
  const { name } = await ctx.meta.getFunctionMetadata();
  const module = name.includes(":") ? name.slice(0, name.lastIndexOf(":")) : name;
  for (const path of new Set([`${module}:maintain`, "replicate:maintain"])) {
    const reference = makeFunctionReference(path) as unknown as Maintain;
    try {
      await ask(ctx, reference, collection);
    } catch {
      continue; // there is none
    }
    return await createFunctionHandle(reference);
  }
  return null;
}

/** @throws if it is no `maintain`, or knows nothing of the collection */
async function ask(ctx: MutationCtx | ActionCtx, maintain: Maintain, collection: string): Promise<void> {
  await ctx.runMutation(maintain, { collection, work: { type: "import", rows: "[]", from: 0, to: 0 } });
}
