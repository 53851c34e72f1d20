import { scopeOf, type AnyCollection, type InsertOf } from "../collections/index.js";
import { isRegister, type Field } from "../collections/fields.js";
import type { Replica, ReplicaCollection, Subscription } from "../client/base/types.js";

type PlainRow = Readonly<Record<string, unknown>>;

/**
 * Writes rows as another device of the same user does: what is there becomes as the row says, as far as it says
 * something; what is not there is inserted.
 *
 * @throws ReplicaError as the server refuses it
 */
export async function emitRows<C extends AnyCollection>(
  replica: Replica<AnyCollection>,
  definition: C,
  rows: readonly InsertOf<C>[],
): Promise<void> {
  const all = rows as unknown as readonly PlainRow[];
  const scopes = [...new Set(all.map((row) => scopeOf(definition, row)))];
  const subscription: Subscription = replica.subscribe(
    definition,
    ...((definition.scope === undefined ? [] : [{ scopes }]) as never),
  );
  await subscription.loaded;
  const collection = replica.collection(definition) as unknown as ReplicaCollection<AnyCollection>;
  const transaction = replica.transact(() => all.forEach((row) => put(collection, row)));
  await transaction.confirmed;
}

function put(collection: ReplicaCollection<AnyCollection>, row: PlainRow): void {
  const id = row["id"] as string;
  const before = collection.get(id) as PlainRow | undefined;
  if (before === undefined) return void collection.insert(row as never);
  const fields = collection.definition.fields as Readonly<Record<string, Field>>;
  collection.update(id, (draft) => {
    const written = draft as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(row)) {
      const field = fields[name];
      if (name === "id" || field === undefined) continue;
      if (isRegister(field)) written[name] = value;
      else if (field.fieldKind === "counter")
        (written[name] as Counter).increment((value as number) - (before[name] as number));
      else if (field.fieldKind === "set") become(written[name] as Set<unknown>, value as Iterable<unknown>);
    }
  });
}

interface Counter {
  increment(by: number): void;
}

function become(members: Set<unknown>, wanted: Iterable<unknown>): void {
  const kept = new Set(wanted);
  for (const member of [...members]) if (!kept.has(member)) members.delete(member);
  for (const member of kept) members.add(member);
}
