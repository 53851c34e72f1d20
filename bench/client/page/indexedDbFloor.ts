// The same bytes in IndexedDB without anything else: pages of 500 documents, their rows as JSON and their states.
import { openDB } from "idb";
import { bytesOf } from "../history.js";
import type { Place } from "../places.js";

interface Page {
  readonly rows: ArrayBuffer;
  readonly states: ArrayBuffer;
}

const pageDocuments = 500;

const open = (name: string) =>
  openDB(name, 1, { upgrade: (db) => void db.createObjectStore("pages", { autoIncrement: true }) });

/** @returns how long the writing takes, ms */
export async function storePages(rows: readonly Place[]): Promise<number> {
  const pages: Page[] = [];
  for (let at = 0; at < rows.length; at += pageDocuments) {
    const some = rows.slice(at, at + pageDocuments);
    const states = new Uint8Array(await new Blob(some.map((row) => bytesOf(row, "snapshots"))).arrayBuffer());
    pages.push({
      rows: new TextEncoder().encode(JSON.stringify(some)).buffer as ArrayBuffer,
      states: states.buffer,
    });
  }
  const start = performance.now();
  const db = await open("floor");
  const tx = db.transaction("pages", "readwrite", { durability: "strict" });
  for (const page of pages) void tx.store.add(page);
  await tx.done;
  db.close();
  return performance.now() - start;
}

/** One getAll, and JSON.parse of the rows. */
export async function readPagesMs(count: number): Promise<number> {
  const start = performance.now();
  const db = await open("floor");
  const pages = (await db.getAll("pages")) as Page[];
  const decoder = new TextDecoder();
  const rows = pages.flatMap((page) => JSON.parse(decoder.decode(page.rows)) as Place[]);
  const ms = performance.now() - start;
  if (rows.length !== count) throw new Error(`The floor holds ${rows.length} rows, not ${count}.`);
  db.close();
  return ms;
}

/** A strict put of a record of the size of an edit, each after the one before. */
export async function putMs(count: number): Promise<number[]> {
  const db = await open("puts");
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const record = { id: crypto.randomUUID(), at: n, operations: [{ field: "note", value: `note ${n}` }] };
    const start = performance.now();
    const tx = db.transaction("pages", "readwrite", { durability: "strict" });
    void tx.store.add(record);
    await tx.done;
    times.push(performance.now() - start);
  }
  db.close();
  return times;
}
