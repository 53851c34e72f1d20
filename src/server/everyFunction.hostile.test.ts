import { assert, asyncProperty, constantFrom, nat, oneof, record, type Arbitrary } from "fast-check";
import type { FunctionReference } from "convex/server";
import { beforeEach, expect, test } from "vitest";
import { isRefusal } from "../shared/errorCodes.js";
import { applyBlob, openDocument } from "../shared/document.js";
import { readMain } from "../shared/mainDocument.js";
import { startCursor } from "../shared/wire.js";
import { flipBit, hostileValues, placesIn, replaceAt, type Path } from "../testing/hostileValues.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 60);

let app: ServerApp;
let device: PushDevice;
let tab: SessionTab;
let other: PushDevice;
let made = 0;
beforeEach(async () => {
  app = createServerApp(() => ({ history: { keepDays: 30 } }));
  device = new PushDevice(app, 11);
  await device.send(device.insert("x"), device.insert("y"));
  await device.send(device.type("x", (log) => log.insert(0, "text")));
  other = new PushDevice(app, 77);
  tab = new SessionTab(app, app.t, "t", "c");
  await tab.join();
});

/** Arguments that an honest client would call each function with. */
const honest: Record<string, () => object> = {
  push: () =>
    device.toArgs(
      [
        device.transaction([
          device.set("x", "name", `changed ${made++}`),
          device.type("x", (log) => log.insert(0, "t")),
        ]),
        device.transaction([device.insert(`new ${made}`)]),
      ],
      { epochs: { sites: "0" } },
    ),
  pull: () => ({ collection: "sites", scope: "DE", cursor: startCursor, epoch: "0", horizon: 5n }),
  rows: () => ({ collection: "sites", scope: "DE", cursor: null, limit: 10 }),
  pullPart: () => ({ collection: "sites", document: "x", part: "log", cursor: 0n, epoch: "0" }),
  status: () => ({ client: device.client, transactions: ["a", "b"] }),
  join: () => ({ client: "c", tab: "u", cursors: [{ collection: "sites", scope: "DE", ts: 1n }] }),
  heartbeat: () => ({ session: tab.session, cursors: [{ collection: "sites", scope: "DE", ts: 1n }] }),
  leave: () => ({ session: tab.session }),
  setPresence: () => ({ session: tab.session, ...place, state: { cursor: [1, 2] } }),
  presence: () => place,
  versions: () => ({ collection: "sites", document: "x", cursor: 5, limit: 10 }),
  versionAt: () => ({ collection: "sites", document: "x", at: Date.now() }),
  saveVersion: () => ({ collection: "sites", document: "x", label: `version ${made++}` }),
  restoreVersion: () => ({ collection: "sites", document: "x", at: Date.now() }),
  maintain: () => ({ collection: "sites", documents: ["x", "y"] }),
};
const place = { collection: "sites", scope: "DE", document: "x" };

type Attack =
  | { type: "replace"; at: number; value: string }
  | { type: "flip"; at: number; bit: number }
  | { type: "cut"; at: number; to: number }
  | { type: "repeat"; at: number; times: number };
const attacks: Arbitrary<Attack> = oneof(
  {
    weight: 4,
    arbitrary: record({
      type: constantFrom("replace" as const),
      at: nat(40),
      value: constantFrom(...Object.keys(hostileValues)),
    }),
  },
  { weight: 2, arbitrary: record({ type: constantFrom("flip" as const), at: nat(40), bit: nat(2000) }) },
  { weight: 1, arbitrary: record({ type: constantFrom("cut" as const), at: nat(40), to: nat(40) }) },
  {
    weight: 1,
    arbitrary: record({
      type: constantFrom("repeat" as const),
      at: nat(40),
      times: constantFrom(2, 501, 10_000),
    }),
  },
);

function attack(args: object, step: Attack): object {
  // convex-test lets null pass for a record.
  const isLetPass = (path: Path) =>
    path.join() === "epochs" && step.type === "replace" && step.value === "null";
  const places = placesIn(args).filter((path) => !isLetPass(path));
  const path = places[step.at % places.length]!;
  return replaceAt(args, path, (old) => {
    if (step.type === "replace") return hostileValues[step.value]!();
    if (step.type === "repeat")
      return Array.isArray(old) ? Array.from({ length: step.times }, () => old[0] as unknown) : old;
    if (!(old instanceof ArrayBuffer)) return old;
    return step.type === "flip" ? flipBit(old, step.bit) : old.slice(0, step.to);
  }) as object;
}

/** @returns whether it was refused: with a code, or by the function's own validators */
async function isRefused(name: string, args: object): Promise<boolean> {
  const reference = app.api[name as "push"] as FunctionReference<"mutation">;
  const isQuery = ["pull", "rows", "pullPart", "status", "presence", "versions", "versionAt"].includes(name);
  try {
    await (isQuery
      ? app.t.query(reference as unknown as FunctionReference<"query">, args)
      : app.t.mutation(reference, args));
    return false;
  } catch (error) {
    const isCoded = isRefusal((error as { data?: unknown }).data);
    if (!isCoded && !isInvalid(error)) throw new Error(`${name} is not refused, it fails`, { cause: error });
    return true;
  }
}

/** Convex checks arguments before the function is called, and what values may be at all. */
function isInvalid(error: unknown): boolean {
  const { message, stack = "" } = error as Error;
  // convex-test's check of an object does not survive null.
  if (stack.includes("isSimpleObject")) return true;
  return /Validator error|not a supported Convex type|is not a valid Convex value|Field name|lone surrogate|too (nested|many|large|deep)/i.test(
    message,
  );
}

/** Everything that is stored can be read, the app's rows are what the states say, and an honest device goes on. */
async function checkHealth(): Promise<void> {
  const rows = new Map((await app.rows()).map((row) => [row["id"], row]));
  for (const document of ["x", "y"]) {
    const { states } = await app.t.query((ctx) =>
      ctx.runQuery(app.component.states.load, { documents: [{ collection: "sites", document, part: "" }] }),
    );
    const state = readMain(openDocument(states[0]!.blobs.map((blob) => new Uint8Array(blob))));
    expect(rows.get(document)?.["name"]).toBe(state.registers.get("name"));
  }
  await other.pull();
  expect(await other.send(other.set("y", "note", `${made++}`))).toMatchObject([{ status: "applied" }]);
  const page = await app.t.query(app.api.pullPart!, {
    collection: "sites",
    document: "x",
    part: "log",
    cursor: 0n,
  });
  if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
  const doc = openDocument([]);
  for (const { bytes } of page.entries) applyBlob(doc, new Uint8Array(bytes));
}

test("every function that clients or the component can call is attacked here", () => {
  expect(Object.keys(honest).sort()).toEqual(Object.keys(app.replicate.api()).sort());
});

test.each(Object.keys(honest))(
  "I-16: whatever `%s` is called with is refused with a code and changes nothing, or is done and harms nothing",
  async (name) => {
    await assert(
      asyncProperty(attacks, attacks, nat(3), async (first, second, both) => {
        const args = honest[name]!();
        const hostile = both === 0 ? attack(attack(args, first), second) : attack(args, first);
        const before = await app.everything();
        if (await isRefused(name, hostile)) expect(await app.everything()).toEqual(before);
        else await checkHealth();
      }),
      { numRuns, seed: 16, endOnFailure: true },
    );
  },
  120_000,
);
