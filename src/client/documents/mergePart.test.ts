import { expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import { authorText, openPart, plainText } from "../../shared/partDocument.js";
import { blobsOf } from "./base.js";
import { mergePart } from "./mergePart.js";

test("what is typed is put behind the text, and merged with it now and then: it stays the text, and stays small", () => {
  const doc = openPart([]);
  let base = mergePart(undefined, [authorText(doc, 7, (text) => text.insert(0, "x".repeat(5_000)))!]);
  const merged: number[] = [];
  for (let n = 0; n < 200; n++) {
    base = mergePart(base, [authorText(doc, 7, (text) => text.insert(text.length, "y"))!]);
    if (blobsOf(base).length === 1) merged.push(n);
    expect(base.length).toBeLessThan(5_000 * 1.6 + 1_000);
  }
  expect(merged).toEqual([63, 127, 191]);
  expect(plainText(openPart(blobsOf(base)))).toBe("x".repeat(5_000) + "y".repeat(200));
});

test("a part that is empty is that", () => {
  expect(plainText(openPart(blobsOf(mergePart(undefined, []))))).toBe("");
});

test("a part that is too large to be opened is kept as it is", () => {
  const half = authorText(openPart([]), 7, (text) => text.insert(0, "x".repeat(limits.partStateBytes / 2)))!;
  const more = authorText(openPart([]), 8, (text) => text.insert(0, "y".repeat(limits.partStateBytes / 2)))!;
  expect(blobsOf(mergePart(mergePart(undefined, [half]), [more]))).toEqual([half, more]);
});
