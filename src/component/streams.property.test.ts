import { convexTest } from "convex-test";
import { componentsGeneric, defineSchema } from "convex/server";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import { applyBlob, authorUpdate, hasPending, openDocument } from "../shared/document.js";
import { readMain } from "../shared/mainDocument.js";
import { isStateEntry, startCursor, type Cursor } from "../shared/wire.js";
import { register } from "../test.js";
import type { ComponentApi } from "./_generated/component.js";

const component = componentsGeneric()["replicate"] as unknown as ComponentApi;
const range = { collection: "sites", scope: "DE" };

/** The component in convex-test, beside an uncompacted control of every document. */
function createServer() {
  const t = convexTest(defineSchema({}), { "./_generated/api.js": async () => ({}) });
  register(t as unknown as Parameters<typeof register>[0]);
  const controls = new Map<string, Y.Doc>();
  const append = async (documents: readonly string[], value: number) => {
    const deltas = documents.map((document) => {
      const control = controls.get(document) ?? openDocument([]);
      controls.set(document, control);
      const { bytes } = authorUpdate(control, 7, [
        { type: "insert", fields: { value } },
        { type: "increment", field: "edits", by: 1 },
      ])!;
      const entry = {
        ...range,
        document,
        part: "",
        bytes: bytes.buffer,
        client: "c",
        transactions: ["t"],
        schemaVersion: 1,
      };
      return entry;
    });
    await t.mutation((ctx) => ctx.runMutation(component.append.append, { deltas }));
  };
  const compact = (document: string) =>
    t.mutation((ctx) => ctx.runMutation(component.compact.compact, { collection: "sites", document }));
  const page = async (cursor: Cursor) => {
    const result = await t.query((ctx) => ctx.runQuery(component.stream.page, { ...range, cursor }));
    if (result.type !== "page") throw new Error(`Expected a page, got ${result.type}.`);
    return result;
  };
  return { controls, append, compact, page };
}

/** A client that holds what it pulled. */
function createReader(page: (cursor: Cursor) => ReturnType<ReturnType<typeof createServer>["page"]>) {
  const documents = new Map<string, Y.Doc>();
  let cursor = startCursor;
  const pull = async () => {
    const { entries, cursor: next, done } = await page(cursor);
    for (const entry of entries) {
      if (!isStateEntry(entry)) throw new Error("Nothing moves here.");
      const { document, bytes } = entry;
      const doc = documents.get(document) ?? openDocument([]);
      documents.set(document, doc);
      applyBlob(doc, new Uint8Array(bytes));
      expect(hasPending(doc)).toBe(false);
    }
    cursor = next;
    return done;
  };
  return { documents, pull };
}

const ids = ["a", "b", "c"];
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      documents: fc.subarray(ids, { minLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("compact" as const), document: fc.constantFrom(...ids) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pull" as const), reader: fc.nat(2) }) },
);

test("I-10, I-11: from any cursor, with compaction at any step, pulling on leads to the uncompacted state", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const server = createServer();
      const readers = [0, 1, 2].map(() => createReader(server.page));
      for (const [index, action] of steps.entries()) {
        if (action.do === "append") await server.append(action.documents, index);
        if (action.do === "compact") await server.compact(action.document);
        if (action.do === "pull") await readers[action.reader]!.pull();
      }
      for (const reader of readers) {
        while (!(await reader.pull()));
        for (const [id, control] of server.controls) {
          const held = reader.documents.get(id)!;
          expect(readMain(held)).toEqual(readMain(control));
          expect(Y.encodeStateVector(held)).toEqual(Y.encodeStateVector(control));
        }
      }
    }),
    { seed: 6, numRuns: 60 },
  );
});

test("I-10: a client that has caught up sees no change after its cursor when a document is compacted", async () => {
  const server = createServer();
  await server.append(["a"], 1);
  await server.append(["a", "b"], 2);
  const { cursor } = await server.page(startCursor);
  expect(await server.compact("a")).toBe(2);
  expect(await server.page(cursor)).toMatchObject({ entries: [], cursor, done: true });
});

test("I-11, I-14: a commit larger than a page is delivered over several, each bounded, with nothing skipped", async () => {
  const server = createServer();
  const documents = Array.from({ length: 600 }, (_, i) => `d${String(i).padStart(3, "0")}`);
  await server.append(documents, 1);
  const reader = createReader(server.page);
  const sizes: number[] = [];
  let done = false;
  while (!done) {
    const before = reader.documents.size;
    done = await reader.pull();
    sizes.push(reader.documents.size - before);
  }
  expect(sizes).toEqual([256, 256, 88]);
  expect([...reader.documents.keys()]).toEqual(documents);
});
