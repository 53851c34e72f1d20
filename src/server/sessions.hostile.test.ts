import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import type { SessionApi } from "../shared/replicaApi.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";

let app: ServerApp;
let tab: SessionTab;
/** `x` is there, and a tab that shows itself in it and whose next heartbeat is due. */
beforeEach(async () => {
  vi.useFakeTimers();
  app = createServerApp();
  const device = new PushDevice(app, 11);
  await device.send(device.insert("x"));
  tab = new SessionTab(app, app.t, "t", "c");
  await tab.join();
  await tab.show("x", 1);
  vi.setSystemTime(Date.now() + limits.heartbeatMs);
});
afterEach(() => vi.useRealTimers());

const api = () => app.api as ServerApp["api"] & SessionApi;
type Changes = Record<string, unknown>;
const calls = {
  join: (changes: Changes) =>
    app.t.mutation(api().join, { client: "c", tab: "u", cursors: [cursor()], ...changes }),
  heartbeat: (changes: Changes) =>
    app.t.mutation(api().heartbeat, { session: tab.session, cursors: [cursor()], ...changes }),
  leave: (changes: Changes) => app.t.mutation(api().leave, { session: tab.session, ...changes }),
  setPresence: (changes: Changes) =>
    app.t.mutation(api().setPresence, { session: tab.session, ...place, state: 2, ...changes }),
  presence: (changes: Changes) => app.t.query(api().presence, { ...place, ...changes }),
};
const place = { collection: "sites", scope: "DE", document: "x" };
const cursor = (changes: object = {}) => ({ collection: "sites", scope: "DE", ts: 1n, ...changes });
const long = (length: number) => "x".repeat(length);
const mib = 1024 * 1024;
function nested(depth: number): unknown {
  let value: unknown = "end";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const ids: [string, string, unknown][] = [
  ["no characters", "invalid_update", ""],
  ["257 characters", "too_large", long(257)],
  ["5 MiB", "too_large", long(5 * mib)],
  ["NUL", "invalid_update", "a\0b"],
  ["half of a surrogate pair", "invalid_update", "a\ud800"],
];
const idFields: [keyof typeof calls, string][] = [
  ["join", "client"],
  ["join", "tab"],
  ["heartbeat", "session"],
  ["leave", "session"],
  ["setPresence", "session"],
  ["setPresence", "document"],
  ["presence", "document"],
];
const states: [string, string, () => unknown][] = [
  ["a text of 4 KiB and one", "too_large", () => long(limits.presenceBytes)],
  ["5 MiB of text", "too_large", () => long(5 * mib)],
  ["5 MiB of bytes", "too_large", () => new ArrayBuffer(5 * mib)],
  ["8,000 elements", "too_large", () => Array.from({ length: 8000 }, () => 0)],
  [
    "1,000 fields",
    "too_large",
    () => Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, 0])),
  ],
  ["four bytes a character", "too_large", () => "😀".repeat(1100)],
  ["61 levels", "invalid_update", () => nested(61)],
  ["2,000 levels", "invalid_update", () => nested(2000)],
  ["half of a surrogate pair", "invalid_update", () => ({ a: ["\udc00"] })],
];
const refused: [string, string, keyof typeof calls, () => Changes][] = [
  ...idFields.flatMap(([call, field]) =>
    ids.map(([what, code, value]): (typeof refused)[number] => [
      `${what} as ${field}`,
      code,
      call,
      () => ({ [field]: value }),
    ]),
  ),
  ...states.map(([what, code, make]): (typeof refused)[number] => [
    `${what} as state`,
    code,
    "setPresence",
    () => ({ state: make() }),
  ]),
  ...(["setPresence", "presence"] as const).flatMap((call): (typeof refused)[number][] => [
    ["an unknown collection", "unknown_collection", call, () => ({ collection: "towns" })],
    ["a collection that every object has", "unknown_collection", call, () => ({ collection: "toString" })],
    ["a collection of 5 MiB", "unknown_collection", call, () => ({ collection: long(5 * mib) })],
    ["a scope of 257 characters", "too_large", call, () => ({ scope: long(257) })],
    ["a torn scope", "invalid_update", call, () => ({ scope: "\ud800" })],
  ]),
  ["a scope that may not be read", "denied", "setPresence", () => ({ scope: "XX" })],
  ...(["join", "heartbeat"] as const).flatMap((call): (typeof refused)[number][] => [
    ["33 cursors", "too_large", call, () => ({ cursors: Array.from({ length: 33 }, () => cursor()) })],
    ["a cursor of a long scope", "too_large", call, () => ({ cursors: [cursor({ scope: long(257) })] })],
    ["a cursor of a torn scope", "invalid_update", call, () => ({ cursors: [cursor({ scope: "\ud800" })] })],
    ["a cursor of no collection", "invalid_update", call, () => ({ cursors: [cursor({ collection: "" })] })],
    ["a negative cursor", "invalid_update", call, () => ({ cursors: [cursor({ ts: -1n })] })],
  ]),
];
test.each(refused)(
  "I-16: %s is refused as %s by %s, and changes nothing",
  async (_name, code, call, make) => {
    const before = await app.everything();
    const refusal = await refusalOf(calls[call](make()));
    expect(refusal.code).toBe(code);
    expect(refusal.message).toMatch(/.{10}/);
    expect(refusal.message.length).toBeLessThanOrEqual(limits.messageLength);
    expect(await app.everything()).toEqual(before);
  },
);

const wrongTypes: [keyof typeof calls, Changes][] = [
  ["join", { client: 1 }],
  ["join", { tab: null }],
  ["join", { cursors: [cursor({ ts: 1 })] }],
  ["join", { cursors: [cursor({ ts: NaN })] }],
  ["join", { cursors: "DE" }],
  ["join", { user: "ada" }],
  ["heartbeat", { session: NaN }],
  ["heartbeat", { user: "ada" }],
  ["leave", { session: [] }],
  ["setPresence", { scope: null }],
  ["setPresence", { document: 7n }],
  ["setPresence", { user: "ada" }],
  ["setPresence", { state: undefined }],
  ["presence", { document: {} }],
  ["presence", { session: "me" }],
];
test.each(wrongTypes)(
  "I-16: %s with %o is refused by its validator, and changes nothing",
  async (call, changes) => {
    const before = await app.everything();
    await expect(calls[call](changes)).rejects.toThrow(/[Vv]alidator|argument/);
    expect(await app.everything()).toEqual(before);
  },
);

test("I-16: what could be a session id and is none is gone, of whatever table it is", async () => {
  const [document] = (await app.tables())["presence"] as { _id: string }[];
  const [row] = (await app.rows()) as { _id: string }[];
  const before = await app.everything();
  for (const session of ["none", document!._id, row!._id, "__proto__", "😀"]) {
    expect(await tab.beat([], session)).toEqual({ type: "gone" });
    expect(await tab.show("x", 5, { session })).toEqual({ type: "gone" });
    expect(await tab.leave(session)).toBeNull();
  }
  expect(await app.everything()).toEqual(before);
});

const accepted: [string, unknown][] = [
  ["NaN", NaN],
  ["-0", -0],
  ["false", false],
  ["an empty text", ""],
  ["the longest text", long(limits.presenceBytes - 2)],
  ["60 levels", nested(60)],
  ["null in an object", { a: null }],
];
test.each(accepted)("a state may be %s", async (_name, state) => {
  expect(await calls.setPresence({ state })).toEqual({ type: "set" });
  expect(await tab.states("x")).toEqual([state]);
});

test("as many cursors as may be told are stored, of the longest names", async () => {
  const cursors = Array.from({ length: limits.sessionCursors }, (_, n) =>
    cursor({ collection: long(256), scope: `${n + 10}${"😀".repeat(127)}`, ts: 2n ** 63n - 1n }),
  );
  expect(await tab.beat(cursors)).toEqual({ type: "alive" });
  expect((await app.tables())["sessions"]).toMatchObject([{ cursors }]);
});
