import { beforeEach, expect, test } from "vitest";
import * as Y from "yjs";
import { blobFormat, packBlob } from "../shared/blob.js";
import { encodeSnapshot, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import type { PushOperation } from "../shared/wire.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
let device: PushDevice;
/** `x` is there, and the device knows it. */
beforeEach(async () => {
  app = createServerApp();
  device = await PushDevice.holding(app, "x");
});

/** An update of `x` made by plain Yjs, as a hostile sender would. */
function forge(write: (root: Y.Map<unknown>) => void, author = 11, document = "x"): PushOperation {
  const doc = openDocument([encodeSnapshot(device.doc(document))]);
  doc.clientID = author;
  let update: Uint8Array = new Uint8Array();
  doc.on("update", (bytes: Uint8Array) => (update = bytes));
  doc.transact(() => write(doc.getMap("r")));
  return {
    collection: "sites",
    document,
    part: "",
    schemaVersion: 1,
    bytes: packBlob(blobFormat.v1, update).buffer,
  };
}
const many = <T>(length: number, make: (index: number) => T) =>
  Array.from({ length }, (_, index) => make(index));
let made = 0;
const honest = () => device.set("x", "name", `B${made++}`);
const cut = (operation: PushOperation, bytes: number) => ({
  ...operation,
  bytes: operation.bytes.slice(0, bytes),
});
/** As `forge`, with everything that was overwritten on the way still in it. */
function forgeHistory(values: readonly string[]): PushOperation {
  const doc = new Y.Doc({ gc: false });
  Y.applyUpdateV2(doc, encodeSnapshot(device.doc("x")).subarray(1));
  const base = Y.encodeStateVector(doc);
  doc.clientID = 11;
  for (const value of values) doc.getMap("r").set("name", value);
  const bytes = packBlob(blobFormat.v1, Y.encodeStateAsUpdate(doc, base)).buffer;
  return { collection: "sites", document: "x", part: "", schemaVersion: 1, bytes };
}
/** The name as an array in an array …, put together from bytes: Yjs cannot write what it can hardly read. */
function forgeNested(depth: number): PushOperation {
  const operation = forge((root) => root.set("name", [["end"]]));
  const bytes = [...new Uint8Array(operation.bytes)];
  const array = [117, 1];
  const at = bytes.findIndex((_, index) =>
    [...array, ...array].every((byte, n) => bytes[index + n] === byte),
  );
  bytes.splice(at, 0, ...Array.from({ length: depth - 2 }, () => array).flat());
  return { ...operation, bytes: new Uint8Array(bytes).buffer };
}
function nested(depth: number): unknown {
  let value: unknown = "end";
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

const refused: [string, string, () => PushOperation][] = [
  ["no bytes", "invalid_update", () => cut(honest(), 0)],
  ["truncated bytes", "invalid_update", () => cut(honest(), 12)],
  [
    "bytes that are no update",
    "invalid_update",
    () => ({ ...honest(), bytes: new Uint8Array([1, 255, 255, 9]).buffer }),
  ],
  ["an unknown field", "invalid_row", () => forge((root) => root.set("owner", "me"))],
  ["a field named __proto__", "invalid_row", () => forge((root) => root.set("__proto__", "me"))],
  ["the id as a field", "invalid_row", () => forge((root) => root.set("id", "y"))],
  ["a value of the wrong type", "invalid_row", () => forge((root) => root.set("name", 3))],
  ["a value outside of a union", "invalid_row", () => forge((root) => root.set("status", "closed"))],
  ["a required field that is cleared", "invalid_row", () => forge((root) => root.set("name", undefined))],
  ["a counter as a register", "invalid_row", () => forge((root) => root.set("visits", 5))],
  ["a register as a set", "invalid_row", () => forge((root) => root.set("name\0" + '0\0"a"', true))],
  [
    "a set member of the wrong type",
    "invalid_row",
    () => forge((root) => root.set("tags\0" + "0\0" + "3", true)),
  ],
  [
    "half of a surrogate pair as a member",
    "invalid_row",
    () => forge((root) => root.set("tags\0" + '0\0"\\ud800"', true)),
  ],
  [
    "another author's counter",
    "invalid_update",
    () => forge((root) => root.set("visits\0" + "0\0" + "12", 5)),
  ],
  ["an incarnation far ahead", "invalid_update", () => forge((root) => root.set("\0n", 2 ** 40))],
  [
    "a value too deep to be walked through",
    "invalid_",
    () => forge((root) => root.set("name", nested(3000))),
  ],
  ["a scope that is too long", "invalid_row", () => device.insert("y", { country: "x".repeat(300) })],
  ["a text over the document's limit", "too_large", () => device.set("x", "name", "x".repeat(300 * 1024))],
  ["an update over a row's limit", "too_large", () => device.set("x", "name", "x".repeat(600 * 1024))],
  [
    "an update over a row's limit, of a document that stays small",
    "too_large",
    () => forgeHistory(many(10, (n) => String(n).repeat(60_000))),
  ],
  [
    "more members than Convex stores in an array",
    "too_large",
    () =>
      device.change(
        "x",
        Array.from({ length: 8193 }, (_, n) => ({ type: "add", field: "tags", member: n.toString(36) })),
      ),
  ],
  ["a part that is not there", "invalid_update", () => ({ ...honest(), part: "notes" })],
  ["an unknown collection", "unknown_collection", () => ({ ...honest(), collection: "toString" })],
  [
    "a change of what never was",
    "unknown_document",
    () => device.change("y", [{ type: "set", field: "name", value: "B" }]),
  ],
  ["a document that is there already", "exists", () => new PushDevice(app, 99).insert("x")],
];
test.each(refused)(
  "I-16: %s is refused as %s, with a receipt and nothing else",
  async (_name, code, make) => {
    const before = await app.everything();
    const operation = make();
    const [result] = await device.push([device.transaction([operation])]);
    expect(result).toMatchObject({
      status: "rejected",
      code: expect.stringContaining(code),
      message: /.{10}/,
    });
    expect((result as { message: string }).message.length).toBeLessThanOrEqual(limits.messageLength);
    const { receipts, ...after } = await app.everything();
    const { receipts: earlier, ...unchanged } = before;
    expect(after).toEqual(unchanged);
    expect(receipts!.length).toBe(earlier!.length + 1);
  },
);

test("I-16: a newer version of the collection is refused as schema_too_new, and changes nothing", async () => {
  const before = await app.everything();
  const [result] = await device.push([device.transaction([{ ...honest(), schemaVersion: 2 }])]);
  expect(result).toMatchObject({ status: "rejected", code: "schema_too_new" });
  expect(await app.everything()).toEqual(before); // no receipt either: a newer server takes it
});

test.each([0, -1, 1.5, NaN])(
  "I-16: a schema version of %s is refused as invalid_update",
  async (schemaVersion) => {
    const transaction = device.transaction([{ ...honest(), schemaVersion }]);
    await expect(device.push([transaction])).rejects.toThrow(/invalid_update/);
  },
);

const gaps: [string, () => PushOperation | Promise<PushOperation>][] = [
  ["a clock that is used again", () => (honest(), new PushDevice(app, 11).insert("x"))],
  ["a clock that is skipped", () => (honest(), honest(), device.set("x", "note", "later"))],
  ["counters of another incarnation", () => forge((root) => root.set("visits\0" + "3\0" + "11", 5))],
  ["counters of no incarnation", () => forge((root) => root.set("visits\0" + "NaN\0" + "11", 5))],
  [
    "the Yjs id of another client",
    async () => {
      const other = new PushDevice(app, 22);
      await other.send(other.insert("other"));
      return forge((root) => root.set("name", "B"), 22);
    },
  ],
  [
    "the Yjs id of the server",
    async () => {
      await app.writer((writer) => writer.insert({ id: "s", name: "n", country: "DE" }));
      const authors = (await app.tables())["authors"] as { author: number; client: string }[];
      const { author, client } = authors.find((each) => each.client.includes("server"))!;
      device = new PushDevice(app, author, client.replace("\0", ""));
      await device.pull();
      return forge((root) => root.set("name", "B"), author);
    },
  ],
];
test.each(gaps)("I-16: %s is a gap and changes nothing", async (_name, make) => {
  const operation = await make();
  const before = await app.everything();
  expect(await device.send(operation)).toMatchObject([{ status: "gap" }]);
  expect(await app.everything()).toEqual(before);
});

test("I-16: values of any depth are refused with a code, also those too deep for the stack", async () => {
  for (let depth = 500; depth < 12_000; depth += 250) {
    const [result] = await device.send(forgeNested(depth));
    expect(result).toMatchObject({ status: "rejected", code: expect.stringContaining("invalid_") });
  }
});

test("I-16: flipped bits are answered with an outcome, and whatever is applied is a valid row", async () => {
  const { bytes } = device.set("x", "name", "Bear");
  for (let bit = 0; bit < bytes.byteLength * 8; bit += 3) {
    const flipped = new Uint8Array(bytes.slice(0));
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const operation = {
      collection: "sites",
      document: "x",
      part: "",
      schemaVersion: 1,
      bytes: flipped.buffer,
    };
    const [result] = await device.send(operation);
    expect(["applied", "gap", "rejected"]).toContain(result!.status);
    expect(await app.rows()).toMatchObject([{ id: "x", country: "DE" }]);
  }
});
