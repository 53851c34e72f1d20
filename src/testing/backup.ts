// Backups of a test's deployment. What is restored stands under the timestamps it had, as in Convex.
import componentSchema from "../component/schema.js";
import { sites } from "./fieldApp.js";
import type { ServerApp } from "./serverApp.js";

type Row = Readonly<Record<string, unknown>>;
export interface Backup {
  readonly rows: readonly Row[];
  readonly tables: Readonly<Record<string, readonly Row[]>>;
}
/** Whose table is chosen at run time. */
interface AnyDb {
  query(table: string): { take(count: number): Promise<{ _id: string }[]> };
  insert(table: string, row: object): Promise<unknown>;
  delete(id: string): Promise<void>;
}

const withoutId = ({ _id, ...row }: Row): Row => row;

export async function takeBackup(app: ServerApp): Promise<Backup> {
  const tables = (await app.tables()) as Record<string, Row[]>;
  return {
    rows: (await app.rows()).map((row) => withoutId(row as unknown as Row)),
    tables: Object.fromEntries(Object.entries(tables).map(([name, rows]) => [name, rows.map(withoutId)])),
  };
}

/** Restores everything, and ends with a new epoch of the sites, all of it at once. @returns the epoch */
export async function restoreBackup(app: ServerApp, { rows, tables }: Backup): Promise<string> {
  await app.inComponent(async (ctx) => {
    for (const name of Object.keys(componentSchema.tables))
      await replaceAll(ctx.db as unknown as AnyDb, name, tables[name] ?? []);
  });
  return app.t.mutation(async (ctx) => {
    await replaceAll(ctx.db as unknown as AnyDb, "sites", rows);
    return app.replicate.admin(ctx).newEpoch(sites);
  });
}

/** Forgets every leave, as when they are too old to be kept: who has not read them yet is told to begin anew. */
export async function pruneLeaves(app: ServerApp): Promise<void> {
  await app.inComponent(async ({ db }) => {
    for (const { _id, collection, scope, ts } of await db.query("leaves").take(1000)) {
      const known = await db
        .query("scopes")
        .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope))
        .unique();
      const prunedTo = ts as bigint;
      if (known === null) await db.insert("scopes", { collection, scope, prunedTo });
      else if (known.prunedTo < prunedTo) await db.patch("scopes", known._id, { prunedTo });
      await db.delete("leaves", _id);
    }
  });
}

async function replaceAll(db: AnyDb, table: string, rows: readonly Row[]): Promise<void> {
  for (const { _id } of await db.query(table).take(5000)) await db.delete(_id);
  for (const row of rows) await db.insert(table, row);
}
