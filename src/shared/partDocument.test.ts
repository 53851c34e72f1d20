import { expect, test } from "vitest";
import { encodeSnapshot, hasPending, openDocument } from "./document.js";
import { limits } from "./limits.js";
import { authorText, checkPartUpdate, openPart, piecesOf, plainText } from "./partDocument.js";

/** Many keystrokes of one author, each standing on the one before. */
function keystrokes(count: number, author = 7) {
  const doc = openDocument([]);
  const updates = Array.from({ length: count }, (_, n) => {
    const update = authorText(doc, author, (text) => {
      text.insert(n % 3 === 0 ? 0 : text.length >> 1, "ab");
      if (n % 5 === 0 && text.length > 4) text.delete(1, 2);
    });
    return update as Uint8Array<ArrayBuffer>;
  });
  return { updates, text: plainText(doc) };
}

test("what stands on nothing yet waits in a part, over compactions, and is there when the rest comes", () => {
  const { updates, text } = keystrokes(300);
  const [first, ...late] = updates as [Uint8Array, ...Uint8Array[]];
  for (const order of [late, [...late].reverse(), [...late.slice(150), ...late.slice(0, 150)]]) {
    const waiting = openPart([encodeSnapshot(openPart(order.slice(0, 200))), ...order.slice(200)]);
    expect(hasPending(waiting)).toBe(true);
    expect(plainText(waiting)).toBe("");
    const whole = openPart([encodeSnapshot(waiting), first]);
    expect(hasPending(whole)).toBe(false);
    expect(plainText(whole)).toBe(text);
  }
});

test("I-14: an update is weighed by the pieces that it inserts and deletes, a part by those it is made of", () => {
  const { updates } = keystrokes(200);
  const whole = openPart(updates);
  expect(checkPartUpdate(updates[1] as Uint8Array)).toMatchObject({ type: "part", pieces: 1 });
  expect(piecesOf(whole)).toBeGreaterThan(200);
  // Every other character: deletions bring no struct, and take as long.
  const doc = openPart(updates);
  const holes = authorText(doc, 8, (text) => {
    for (let at = text.length - 2; at >= 0; at -= 2) text.delete(at, 1);
  });
  const check = checkPartUpdate(holes as Uint8Array);
  expect(check).toMatchObject({ type: "part", authors: [] });
  expect(check).toHaveProperty("pieces", expect.closeTo(plainText(whole).length / 2, -2));
  expect(piecesOf(doc)).toBeGreaterThan(piecesOf(whole));
});

test("I-14: a part of more bytes or pieces than one call can take is not opened", () => {
  const [{ updates }, filler] = [keystrokes(2), new Uint8Array(limits.partStateBytes)];
  expect(() => openPart([...updates, filler])).toThrow(`${limits.partStateBytes} at most`);
  expect(() => openPart(updates, limits.partStatePieces + 1)).toThrow(`${limits.partStatePieces} at most`);
  expect(piecesOf(openPart(updates, limits.partStatePieces))).toBeGreaterThan(0);
});

test("the beginning of a text is told without going through all of it", () => {
  const { updates, text } = keystrokes(300);
  const beginning = plainText(openPart(updates), 20);
  expect(text.startsWith(beginning)).toBe(true);
  expect(beginning.length).toBeGreaterThanOrEqual(20);
  expect(beginning.length).toBeLessThan(text.length);
});
