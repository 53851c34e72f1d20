import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { jsonToConvex, type JSONValue } from "convex/values";
import type { Document } from "../engine/engine.js";

/** So many documents are written in one transaction. */
const chunkSize = 1_000;

export interface SeedTarget {
  /** Whether anything was ever written. */
  readonly isEmpty: boolean;
  importDocuments(table: string, documents: readonly Document[]): Promise<void>;
}

/**
 * Fills an empty database from a folder of `<table>.jsonl`, one document a line as Convex JSON, without `_id`: ids are
 * made anew. What is there already stays as it is, and nothing is imported.
 *
 * @returns what it did, for people
 * @throws Error that names file and line, with what came before it imported
 */
export async function importSeed(target: SeedTarget, folder: string): Promise<string> {
  if (!target.isEmpty) return "Nothing is seeded: the data directory holds data.";
  const files = fs.readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  if (files.length === 0) throw new Error(`${folder} has no .jsonl file to seed from.`);
  const counts: string[] = [];
  for (const file of files.sort()) {
    const table = path.basename(file, ".jsonl");
    counts.push(`${await importFile(target, table, path.join(folder, file))} ${table}`);
  }
  return `Seeded ${counts.join(", ")}.`;
}

async function importFile(target: SeedTarget, table: string, file: string): Promise<number> {
  let chunk: Document[] = [];
  let count = 0;
  for await (const line of createInterface({ input: fs.createReadStream(file), crlfDelay: Infinity })) {
    count += 1;
    chunk.push(parse(line, `${file}:${count}`));
    if (chunk.length < chunkSize) continue;
    await target.importDocuments(table, chunk);
    chunk = [];
  }
  await target.importDocuments(table, chunk);
  return count;
}

function parse(line: string, place: string): Document {
  let value: ReturnType<typeof jsonToConvex>;
  try {
    value = jsonToConvex(JSON.parse(line) as JSONValue);
  } catch (error) {
    throw new Error(`${place} is no Convex JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof ArrayBuffer)
    throw new Error(`${place} is no document: it must be an object.`);
  if ("_id" in value) throw new Error(`${place} has an _id: ids are made anew, leave it out.`);
  return value as Document;
}
