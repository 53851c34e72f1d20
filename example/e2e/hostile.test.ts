// What a hostile client can send to the app's own functions on the local backend. What the functions make of it in
// every case is tested beside them (src/server/hostile.test.ts); here it comes over HTTP, past the SDK.
import { ConvexHttpClient } from "convex/browser";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deploy } from "../../local/push/deploy.js";
import { startBackend, type Backend } from "../../local/server/backend.js";
import { authorUpdate, openDocument } from "../../src/shared/document.js";
import type { Operation } from "../../src/shared/operations.js";
import { api } from "../convex/_generated/api.js";

let backend: Backend;
let people = 0;

beforeAll(async () => {
  backend = await startBackend();
  await deploy(backend.url);
  const row = {
    id: "DE-1",
    name: "Berlin",
    country: "DE",
    status: "open",
    population: 1,
    visits: 0,
    tags: [],
  };
  await backend.run("mutation", "seed:insert", { rows: [row] });
}, 60_000);

afterAll(() => backend.close());

/** Somebody who is signed in. */
function signIn(name: string): ConvexHttpClient {
  const client = new ConvexHttpClient(backend.url);
  const claims = { sub: name, iss: "local", exp: 4e9 };
  client.setAuth(
    ["{}", JSON.stringify(claims), ""].map((part) => Buffer.from(part).toString("base64url")).join("."),
  );
  return client;
}

const insert = (fields: Extract<Operation, { type: "insert" }>["fields"]) =>
  authorUpdate(openDocument([]), 1000 + ++people, [{ type: "insert", fields }])!.bytes.buffer;
const paris = { name: "Paris", country: "FR", status: "open", population: 1 };
const pushOf = (client: string, document: string, bytes: ArrayBuffer) => ({
  client,
  epochs: {},
  settledBelow: 0,
  transactions: [
    {
      ids: [`t${++people}`],
      sequence: 1,
      operations: [{ collection: "sites", document, part: "", schemaVersion: 1, bytes }],
    },
  ],
});
const serverRows = () =>
  Promise.all(["DE", "FR"].map((country) => backend.run("query", "inspect:rows", { country })));

const refusals: [string, () => ArrayBuffer, string, RegExp][] = [
  ["malformed bytes", () => new Uint8Array([1, 2, 3, 255]).buffer, "invalid_update", /cannot be decoded/],
  ["no bytes", () => new ArrayBuffer(0), "invalid_update", /format byte/],
  ["an unknown field", () => insert({ ...paris, admin: true }), "invalid_row", /"admin".*no such field/],
  [
    "a wrong type",
    () => insert({ ...paris, population: "many" }),
    "invalid_row",
    /"population".*string "many"/,
  ],
  ["a too large row", () => insert({ ...paris, note: "x".repeat(300 * 1024) }), "too_large", /262144/],
  ["a closed country", () => insert({ ...paris, country: "LU" }), "denied", /closed for the season/],
];

test.each(refusals)(
  "I-16: %s is refused with its code, and nothing changes",
  async (_name, make, code, message) => {
    const before = await serverRows();
    const mallory = signIn("mallory");
    const result = await mallory.mutation(api.replicate.push, pushOf("device of mallory", "FR-1", make()));
    expect(result).toMatchObject({
      type: "results",
      results: [{ status: "rejected", code, message: expect.stringMatching(message) as string }],
    });
    expect(await serverRows()).toEqual(before);
  },
);

test("I-16: another user's client id is refused with `client_taken`, and nothing changes", async () => {
  const applied = await signIn("ada").mutation(
    api.replicate.push,
    pushOf("device of ada", "FR-2", insert(paris)),
  );
  expect(applied).toMatchObject({ results: [{ status: "applied" }] });
  const before = await serverRows();
  const push = pushOf("device of ada", "FR-3", insert(paris));
  await expect(signIn("mallory").mutation(api.replicate.push, push)).rejects.toMatchObject({
    data: { code: "client_taken" },
  });
  const anonymous = await new ConvexHttpClient(backend.url).mutation(api.replicate.push, push);
  expect(anonymous).toEqual({ type: "refused", reason: "identity" });
  expect(await serverRows()).toEqual(before);
});

test("I-16: a push over the limits is refused whole, with the limit and the value", async () => {
  const push = pushOf("device of mallory", "FR-4", insert(paris));
  const many = {
    ...push,
    transactions: Array.from({ length: 101 }, (_, n) => ({ ...push.transactions[0]!, ids: [`${n}`] })),
  };
  await expect(signIn("mallory").mutation(api.replicate.push, many)).rejects.toMatchObject({
    data: { code: "too_large", message: expect.stringMatching(/100.*101/) as string },
  });
});
