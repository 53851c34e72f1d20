import { expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import { authorText, openPart, plainText } from "../../shared/partDocument.js";
import { ManualClock } from "../../testing/manualClock.js";
import type { OpenPart } from "../base/tabMessages.js";
import type { StoredPart } from "../ports/storage.js";
import { keepBlobs } from "./base.js";
import { OpenParts, partRetention } from "./openParts.js";

const placeOf = (id: string) => ({ collection: "sites", id, part: "log" });
/** A part as a device holds it, of so many characters. */
function stored(id: string, characters = 5): StoredPart {
  const base = authorText(openPart([]), 7, (text) => text.insert(0, "x".repeat(characters)))!;
  return { ...placeOf(id), cursor: 1n, epoch: "0", bytes: base.length, base };
}

function setUp(held: readonly StoredPart[] = []) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const told: OpenPart[][] = [];
  const errors: unknown[] = [];
  const parts: OpenParts = new OpenParts({
    read: ({ id }) => {
      asked.push(id);
      return Promise.resolve(held.find((each) => each.id === id) ?? null);
    },
    clock,
    onChange: () => told.push(parts.open),
    onError: (error) => errors.push(error),
  });
  return { clock, asked, told, errors, parts };
}

test("a part is one document whoever uses it, until the last one has closed it", async () => {
  const { parts, asked } = setUp([stored("x")]);
  const [one, two] = [parts.use(placeOf("x")), parts.use(placeOf("x"))];
  await Promise.all([one.loaded, two.loaded]);
  expect(one.doc).toBe(two.doc);
  expect(asked).toEqual(["x"]);
  one.close();
  one.close();
  expect(parts.open).toHaveLength(1);
  two.close();
  expect(parts.open).toEqual([]);
});

test("a part that is not on the device is said to be missing until the leader tells of it", async () => {
  const { parts, told } = setUp();
  const handle = parts.use(placeOf("x"));
  await Promise.resolve();
  await Promise.resolve();
  expect(told.at(-1)).toEqual([{ ...placeOf("x"), isMissing: true }]);
  parts.receive({ type: "read", place: placeOf("x"), blobs: [stored("x").base], isWhole: true });
  await handle.loaded;
  expect(plainText(handle.doc!)).toBe("xxxxx");
  expect(parts.open).toEqual([placeOf("x")]);
});

test("one that was closed is the same document for a while, and is read again after that", async () => {
  const { parts, asked, clock } = setUp([stored("x")]);
  const first = parts.use(placeOf("x"));
  await first.loaded;
  const { doc } = first;
  first.close();
  clock.advance(partRetention.keptMs - 1);
  const second = parts.use(placeOf("x"));
  expect(second.doc).toBe(doc);
  expect(asked).toEqual(["x", "x"]); // others may have typed meanwhile
  second.close();
  clock.advance(1);
  clock.runNext(); // of the first time that it was closed: too early
  await Promise.resolve();
  expect(parts.inspected).toHaveLength(1);
  clock.advance(partRetention.keptMs);
  clock.runNext();
  await Promise.resolve();
  expect(parts.inspected).toHaveLength(0);
});

test("of those that are closed and too large together the one that was closed first goes, and none that is in use", async () => {
  const large = partRetention.keptBytes / 4 - 1_000;
  const ids = ["a", "b", "c", "d", "e", "f"];
  const { parts, clock } = setUp(ids.map((id) => stored(id, large)));
  const handles = ids.map((id) => parts.use(placeOf(id)));
  await Promise.all(handles.map(({ loaded }) => loaded));
  const [a, b, c, d, e, f] = handles;
  for (const handle of [c!, a!, b!, e!, f!]) {
    clock.advance(1_000);
    handle.close();
  }
  expect(parts.inspected).toHaveLength(5); // c is gone; d is in use
  expect(d!.doc).not.toBeNull();
  expect(c!.doc!.isDestroyed).toBe(true);
  const kept = parts.use(placeOf("a"));
  expect(kept.doc).toBe(a!.doc);
});

/** What is under way is done. */
const turns = async () => {
  for (let n = 0; n < 8; n++) await Promise.resolve();
};
const typed = (id: string, author: number, words: string): StoredPart => {
  const base = authorText(openPart([]), author, (text) => text.insert(0, words))!;
  return { ...placeOf(id), cursor: 1n, epoch: "0", bytes: base.length, base };
};

test("I-12: of one that was closed nothing is shown again once the device has lost it", async () => {
  const held = [stored("x")];
  const { parts } = setUp(held);
  const first = parts.use(placeOf("x"));
  await first.loaded;
  first.close();
  held.length = 0;
  const second = parts.use(placeOf("x"));
  await turns();
  expect(second.doc).toBeNull();
  expect(parts.open).toEqual([{ ...placeOf("x"), isMissing: true }]);
});

test("I-18: one that was closed, and that another has taken the place of since, is that other one", async () => {
  const held = [typed("x", 7, "old")];
  const { parts } = setUp(held);
  const first = parts.use(placeOf("x"));
  await first.loaded;
  first.close();
  held[0] = typed("x", 8, "new");
  const second = parts.use(placeOf("x"));
  await turns();
  expect(plainText(second.doc!)).toBe("new");
});

test("who uses a part that goes and comes back is told that it is another document", async () => {
  const { parts } = setUp([stored("x")]);
  const handle = parts.use(placeOf("x"));
  await handle.loaded;
  const told: unknown[] = [];
  handle.onReplaced((doc) => told.push(doc));
  parts.receive({ type: "ended", place: placeOf("x"), reason: "denied" });
  expect([handle.doc, told]).toEqual([null, []]);
  parts.receive({ type: "read", place: placeOf("x"), blobs: [stored("x").base], isWhole: true });
  expect(told).toEqual([handle.doc]);
});

test("what was read before something newer was told takes nothing away", async () => {
  const held = [typed("x", 7, "a")];
  const { parts } = setUp(held);
  const handle = parts.use(placeOf("x"));
  await handle.loaded;
  const { doc } = handle;
  parts.reload();
  const more = typed("x", 8, "b");
  held[0] = { ...more, base: keepBlobs([held[0]!.base, more.base]) };
  parts.receive({ type: "read", place: placeOf("x"), blobs: [more.base], isWhole: false });
  await turns();
  expect(handle.doc).toBe(doc);
  expect(plainText(doc!)).toHaveLength(2);
});

test("what cannot be opened is told of with its name, and the next use tries anew", async () => {
  const damaged = { ...stored("x"), base: new Uint8Array([1, 9, 9, 9]) };
  const held = [damaged];
  const { parts, errors } = setUp(held);
  const handle = parts.use(placeOf("x"));
  await expect(handle.loaded).rejects.toMatchObject({ code: "storage_corrupt" });
  expect(String(errors[0])).toContain('"log" of document "x" of "sites" cannot be opened');
  parts.receive({ type: "read", place: placeOf("x"), blobs: [stored("x").base], isWhole: true });
  await handle.loaded;
  expect(plainText(handle.doc!)).toBe("xxxxx");
});

test("one that is too large to be opened is told of as that", async () => {
  const { parts } = setUp([stored("x", limits.partStateBytes)]);
  await expect(parts.use(placeOf("x")).loaded).rejects.toMatchObject({ code: "too_large" });
});

test("nobody waits for ever: who uses a part when the replica is closed is told", async () => {
  const { parts } = setUp();
  const { loaded } = parts.use(placeOf("x"));
  parts.stop();
  await expect(loaded).rejects.toMatchObject({ code: "closed" });
});
