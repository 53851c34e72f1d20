import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import { isPart, type AnyCollection, type PlainRow } from "../collections/index.js";
import { isRegister, type Field } from "../collections/fields.js";
import { canonicalJson } from "../shared/canonicalJson.js";
import type { RestoreVersionResult, Version } from "../shared/historyWire.js";
import { limits } from "../shared/limits.js";
import type { MainState } from "../shared/mainDocument.js";
import type { Operation, Primitive } from "../shared/operations.js";
import { partKey } from "../shared/partDocument.js";
import { copyPart, revertPart, type PartKind } from "../shared/revertPart.js";
import { toldHistory } from "./historyOption.js";
import { authorise } from "./judgement.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import { CollectionWriter } from "./writer.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
type PartUpdate = { readonly field: string; readonly bytes: ArrayBuffer };
type Bytes = { readonly part: string; readonly bytes: ArrayBuffer };

/** What a document was. */
export interface Past {
  readonly state: MainState;
  readonly row: PlainRow | null;
  /** Its parts, by their fields. */
  readonly parts: Bytes[];
  /** Parts that are too large to be handed out here. */
  readonly large: readonly string[];
  /** Where all that is found again. */
  readonly target: { readonly version: string } | { readonly ts: bigint };
  readonly version?: Version;
}

/**
 * Brings a document to what it was, as a new change of the user's (I-17): `write` decides, as on a push with the same
 * effect; the row is checked, effects run, and it reaches every client as any change does. What it replaces is kept as a
 * version, so that it can be undone. Large texts follow in the background (src/component/restores.ts): whether they
 * change at all is not known here, and they are taken to.
 */
export async function restoreDocument(
  ctx: MutationCtx,
  registry: Registry,
  collection: RegisteredCollection,
  id: string,
  { row, state, parts, large, target }: Past,
): Promise<RestoreVersionResult> {
  const { definition } = collection;
  const name = definition.name;
  if (row === null)
    throw coded("unknown_document", `Document "${id}" of "${name}" did not exist then, or was deleted.`);
  const user = await registry.user(ctx);
  const fields = partsOf(definition).map(({ field }) => field);
  const { versions } = registry.component;
  const now = await ctx.runQuery(
    versions.current,
    { collection: name, document: id, fields, partBytes: limits.restoredAtOnceBytes },
    { useStaleSnapshot: true },
  );
  const later = partsOf(definition).filter(
    ({ field }) =>
      large.includes(field) || (now.large.includes(field) && parts.some(({ part }) => part === field)),
  );
  const updates = partUpdates(
    definition,
    now.isPresent ? now.parts : null,
    parts.filter(({ part }) => !later.some(({ field }) => field === part)),
  );
  const writer = new CollectionWriter(ctx, registry, collection);
  const change = {
    id,
    operationsOf: (current: PlainRow | null) => restoreOperations(definition, current, state),
  };
  const planned = await writer.plan(change);
  if (planned === null && updates.length + later.length === 0) return { type: "unchanged" };
  const after = planned?.change.after ?? row;
  const partChanges = [...updates, ...later].map(({ field }) => ({
    type: "part" as const,
    part: field,
    before: after,
    after,
  }));
  if (planned !== null) await check(ctx, collection, user, id, planned);
  const scope = planned?.scope ?? (now.scope as string);
  for (const partChange of partChanges)
    await check(ctx, collection, user, id, { scope, previousScope: scope, change: partChange });
  const replaced = await ctx.runMutation(versions.save, {
    ...{ collection: name, document: id, fields },
    ...{ kind: "restore", author: user },
  });
  const written = planned === null ? null : await writer.commit(change);
  // An insert of what is deleted begins the document's next life.
  const incarnation = now.incarnation + (now.isPresent ? 0 : 1);
  await appendParts(ctx, registry, collection, id, incarnation, updates);
  const { schemaVersion } = definition;
  const life = { collection: name, document: id, incarnation, schemaVersion, replaced };
  if (later.length > 0)
    await ctx.runMutation(registry.component.restores.begin, {
      restores: later.map(({ field, kind }) => ({ ...life, field, kind, author: newAuthor() })),
      target,
    });
  const changes = [...(written === null ? [] : [written.change]), ...partChanges];
  for (const each of changes) await collection.onWrite?.(ctx, { user, id, source: "client", ...each });
  const fieldsLater = later.map(({ field }) => field);
  return { type: "restored", replaced, ...(later.length === 0 ? {} : { later: fieldsLater }) };
}

/** @throws ConvexError as the `write` hook refuses it */
async function check(
  ctx: MutationCtx,
  collection: RegisteredCollection,
  user: string | null,
  id: string,
  {
    scope,
    previousScope,
    change,
  }: {
    scope: string;
    previousScope: string | null;
    change: Omit<Parameters<typeof authorise>[3], "id" | "scope" | "previousScope">;
  },
): Promise<void> {
  const request = { id, scope, previousScope, ...change } as Parameters<typeof authorise>[3];
  const denial = await authorise(ctx, { user }, collection, request);
  if (denial !== null) throw coded(denial.code, denial.message, denial.data);
}

/** The fields of a collection that are parts. */
export function partsOf({ fields }: AnyCollection): { field: string; kind: PartKind }[] {
  return Object.entries(fields as Record<string, Field>).flatMap(([field, each]) =>
    isPart(each) ? [{ field, kind: each.fieldKind }] : [],
  );
}

/** Each part is written under a new author: whoever writes in it now may hold any other. `now` null: all begin anew. */
function partUpdates(
  definition: AnyCollection,
  now: readonly { readonly part: string; readonly blobs: readonly ArrayBuffer[] }[] | null,
  then: readonly Bytes[],
): PartUpdate[] {
  return partsOf(definition).flatMap(({ field, kind }) => {
    const [before, after] = [
      now?.find(({ part }) => part === field),
      then.find(({ part }) => part === field),
    ];
    // A version from before the field was there says nothing of it.
    if (after === undefined) return [];
    const author = newAuthor();
    const target = new Uint8Array(after.bytes);
    const bytes =
      before === undefined
        ? copyPart(kind, target, author)
        : revertPart(
            kind,
            target,
            before.blobs.map((blob) => new Uint8Array(blob)),
            author,
          );
    return bytes === null ? [] : [{ field, bytes: bytes.buffer }];
  });
}

function newAuthor(): number {
  return 1 + Math.floor(Math.random() * 0xffffffff);
}

async function appendParts(
  ctx: MutationCtx,
  { component }: Registry,
  collection: RegisteredCollection,
  document: string,
  incarnation: number,
  updates: readonly PartUpdate[],
): Promise<void> {
  if (updates.length === 0) return;
  const { name, schemaVersion } = collection.definition;
  await ctx.runMutation(component.append.append, {
    deltas: updates.map(({ field, bytes }) => ({
      collection: name,
      document,
      part: partKey({ field, incarnation }),
      bytes,
      client: "",
      transactions: [],
      schemaVersion,
    })),
    ...toldHistory([collection]),
  });
}

/**
 * The operations that lead from a row to an earlier state, as any other change of its fields does: what others change
 * meanwhile merges with them. Registers are set or cleared, counters incremented by what they lack, members
 * added and removed. A document that is deleted is inserted again. Pure.
 *
 * @param row - as it is; null: deleted
 */
export function restoreOperations(
  definition: AnyCollection,
  row: PlainRow | null,
  then: MainState,
): Operation[] {
  const fields = Object.entries(definition.fields as Record<string, Field>);
  const registers = fields.flatMap(([name, field]) => (isRegister(field) ? [name] : []));
  const operations: Operation[] =
    row === null
      ? [{ type: "insert", fields: Object.fromEntries(registersOf(then, registers)) }]
      : registers.map((field) => ({ type: "set", field, value: then.registers.get(field) }));
  for (const [name, field] of fields) {
    if (isRegister(field)) continue;
    if (field.fieldKind === "counter") {
      const by = difference((row?.[name] as number | undefined) ?? 0, then.counters.get(name) ?? 0);
      if (by !== 0) operations.push({ type: "increment", field: name, by });
    } else if (field.fieldKind === "set") {
      const members = (row?.[name] as Primitive[] | undefined) ?? [];
      operations.push(...changeMembers(name, members, then.sets.get(name) ?? []));
    }
  }
  return operations;
}

function registersOf({ registers }: MainState, names: readonly string[]) {
  return names.flatMap((name) => {
    const value = registers.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
}

function changeMembers(field: string, now: readonly Primitive[], then: readonly Primitive[]): Operation[] {
  const [has, had] = [new Set(now.map(canonicalJson)), new Set(then.map(canonicalJson))];
  return [
    ...then.flatMap((member): Operation[] =>
      has.has(canonicalJson(member)) ? [] : [{ type: "add", field, member }],
    ),
    ...now.flatMap((member): Operation[] =>
      had.has(canonicalJson(member)) ? [] : [{ type: "remove", field, member }],
    ),
  ];
}

/** Exact for whole numbers. For fractions, where `from + (to - from)` may miss `to`, as near as a sum comes. */
function difference(from: number, to: number): number {
  const by = to - from;
  return by + (to - (from + by));
}
