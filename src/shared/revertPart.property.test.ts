import fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import { blobFormat, packBlob } from "./blob.js";
import { applyBlob, encodeSnapshot, openDocument } from "./document.js";
import { authorRichText, authorText } from "./partDocument.js";
import { copyPart, revertPart } from "./revertPart.js";

const edit = fc.record({
  at: fc.nat({ max: 30 }),
  remove: fc.nat({ max: 4 }),
  insert: fc.string({ maxLength: 4 }),
  bold: fc.boolean(),
  author: fc.integer({ min: 1, max: 3 }),
});
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

function play(doc: Y.Doc, { at, remove, insert, bold, author }: Edit): void {
  authorText(doc, author, (text) => {
    const from = Math.min(at, text.length);
    text.delete(from, Math.min(remove, text.length - from));
    text.insert(from, insert, bold ? { bold: true } : {});
  });
}
/** Each character with its marks: marks that begin and end at one place split a delta, and show nothing. */
const shown = (doc: Y.Doc) =>
  (doc.getText("p").toDelta() as { insert: string; attributes?: object }[]).flatMap(
    ({ insert, attributes = {} }) => [...insert].map((character) => ({ character, ...attributes })),
  );
const clone = (doc: Y.Doc) => openDocument([encodeSnapshot(doc)]);

test("I-17: a text is brought back to exactly what it was, marks and all, and what is typed meanwhile elsewhere stays", () => {
  fc.assert(
    fc.property(
      fc.array(edit, { maxLength: 12 }),
      fc.array(edit, { maxLength: 12 }),
      fc.string({ minLength: 1, maxLength: 5 }),
      fc.boolean(),
      (before, since, typed, isCompacted) => {
        const doc = openDocument([]);
        for (const each of before) play(doc, each);
        const then = encodeSnapshot(doc);
        const expected = shown(clone(doc));
        const middle = encodeSnapshot(doc);
        const deltas: Uint8Array[] = [];
        doc.on("update", (update: Uint8Array) => deltas.push(packBlob(blobFormat.v1, update)));
        for (const each of since) play(doc, each);
        const offline = clone(doc);
        const update = revertPart(
          "text",
          then,
          isCompacted ? [encodeSnapshot(doc)] : [middle, ...deltas],
          99,
        );
        if (update !== null) applyBlob(doc, update);
        expect(shown(doc)).toEqual(expected);
        // Somebody who was offline writes at the end of what he sees; both ways of merging come to the same.
        const late = authorText(offline, 50, (text) => text.insert(text.length, `<${typed}>`))!;
        const other = clone(offline);
        applyBlob(doc, late);
        if (update !== null) applyBlob(other, update);
        expect(shown(doc)).toEqual(shown(other));
        expect(doc.getText("p").toString()).toContain(`<${typed}>`);
      },
    ),
    { seed: 5, numRuns: Number(process.env["NUM_RUNS"] ?? 300) },
  );
});

test("a text is copied under an author of its own", () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
      const doc = openDocument([]);
      for (const each of edits) play(doc, each);
      const copy = openDocument([]);
      const update = copyPart("text", encodeSnapshot(doc), 99);
      if (update !== null) applyBlob(copy, update);
      expect(shown(copy)).toEqual(shown(doc));
      expect([...copy.store.clients.keys()]).toEqual(update === null ? [] : [99]);
    }),
    { seed: 6, numRuns: 100 },
  );
});

test("I-17: a rich text with elements inside of elements is brought back, and copied", () => {
  const doc = openDocument([]);
  const paragraph = (words: string) => {
    const element = new Y.XmlElement("p");
    element.setAttribute("class", words.slice(0, 1));
    element.insert(0, [new Y.XmlText(words)]);
    return element;
  };
  authorRichText(doc, 1, (root) => root.insert(0, [paragraph("one"), paragraph("two")]));
  const then = encodeSnapshot(doc);
  const expected = doc.getXmlFragment("p").toString();
  authorRichText(doc, 2, (root) => {
    root.delete(0, 1);
    (root.get(0) as Y.XmlElement).setAttribute("class", "changed");
    ((root.get(0) as Y.XmlElement).get(0) as Y.XmlText).insert(0, "zwei ");
    root.insert(1, [paragraph("three")]);
  });
  expect(doc.getXmlFragment("p").toString()).not.toBe(expected);
  applyBlob(doc, revertPart("richText", then, [encodeSnapshot(doc)], 99)!);
  expect(doc.getXmlFragment("p").toString()).toBe(expected);
  const copy = openDocument([copyPart("richText", then, 98)!]);
  expect(copy.getXmlFragment("p").toString()).toBe(expected);
  expect([...copy.store.clients.keys()]).toEqual([98]);
  expect(revertPart("richText", then, [then], 97)).toBe(null);
});
