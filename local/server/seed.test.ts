import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LocalEngine } from "../engine/localEngine.js";
import type { Document } from "../engine/engine.js";
import { importSeed, type SeedTarget } from "./seed.js";

let folder: string;
beforeEach(() => void (folder = fs.mkdtempSync(path.join(os.tmpdir(), "seed-"))));
afterEach(() => fs.rmSync(folder, { recursive: true }));

function target(): SeedTarget & { readonly written: Map<string, Document[]> } {
  const engine = new LocalEngine();
  const written = new Map<string, Document[]>();
  engine.onCommit(({ writes }) => {
    for (const { table, after } of writes) written.set(table, [...(written.get(table) ?? []), after!]);
  });
  return {
    written,
    get isEmpty() {
      return engine.currentTs() === 0n;
    },
    importDocuments: (table, documents) => engine.importDocuments(table, documents),
  };
}
const write = (name: string, ...lines: string[]) =>
  fs.writeFileSync(path.join(folder, name), lines.join("\n"));

test("an empty database is filled from a file per table, in any number of documents", async () => {
  write(
    "notes.jsonl",
    ...Array.from({ length: 2_500 }, (_, n) => JSON.stringify({ n, big: { $integer: "AQAAAAAAAAA=" } })),
  );
  write("people.jsonl", '{"name":"a"}');
  write("readme.txt", "not a table");
  const database = target();
  expect(await importSeed(database, folder)).toBe("Seeded 2500 notes, 1 people.");
  const notes = database.written.get(":notes")!;
  expect([notes.length, notes.at(-1)]).toMatchObject([2_500, { n: 2_499, big: 1n }]);
  expect(await importSeed(database, folder)).toMatch(/Nothing is seeded/);
  expect(database.written.get(":notes")).toHaveLength(2_500);
});

const wrong: [string, string, RegExp][] = [
  ["no JSON", "{", /notes\.jsonl:2 is no Convex JSON/],
  ["no object", "[1]", /notes\.jsonl:2 is no document/],
  ["an id", '{"_id":"x"}', /notes\.jsonl:2 has an _id/],
  ["a value that Convex does not know", '{"a":{"$what":1}}', /notes\.jsonl:2 is no Convex JSON/],
];
test.each(wrong)(
  "a line with %s is refused by file and number, and nothing is written",
  async (_name, line, message) => {
    write("notes.jsonl", '{"a":1}', line);
    const database = target();
    await expect(importSeed(database, folder)).rejects.toThrow(message);
    expect(database.written.size).toBe(0);
  },
);

test("a folder without tables is refused", async () => {
  await expect(importSeed(target(), folder)).rejects.toThrow(/no \.jsonl file/);
});
