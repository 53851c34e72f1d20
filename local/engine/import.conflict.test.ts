import { anyApi } from "convex/server";
import { expect, test } from "vitest";
import { projectRow } from "../../src/collections/index.js";
import { openDocument } from "../../src/shared/document.js";
import { readMain } from "../../src/shared/mainDocument.js";
import { isStateEntry } from "../../src/shared/wire.js";
import { sites } from "../../src/testing/fieldApp.js";
import type { ImportWorkResult } from "../../src/shared/importWire.js";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import type { FieldEngine } from "../fieldEngine.js";
import { JumpClock } from "../jumpClock.js";
import { entriesOf, imported, planted, rowOf, startImportEngine, storedRows } from "./importUnderTest.js";

const writers = 200;

function deviceOf(field: FieldEngine, author: number): PushDevice {
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  return new PushDevice(app, author, `client${author}`, field as unknown as ServerApp["t"]);
}

test("I-13: 200 pushes at a time never conflict with imports beside them, into the scope that they write", async () => {
  const field = await startImportEngine({ clock: new JumpClock(), seed: 3, readLatencyMs: [0, 20] });
  const devices = Array.from({ length: writers }, (_, n) => deviceOf(field, 1000 + n));
  await Promise.all(devices.map((device, n) => device.send(device.insert(`site ${n}`))));
  const jobs = await Promise.all([
    field.mutation(planted("importRows"), { rows: 1500 }),
    field.action(planted("importInAction"), { rows: 1500 }), // the same: one of the two comes second in each row
  ]);
  for (let round = 0; round < 3; round++)
    await Promise.all(
      devices.map((device, n) => device.send(device.set(`site ${n}`, "name", `name ${round}`))),
    );
  const ended = await Promise.all(jobs.map((job) => imported(field, job)));
  expect(ended[0]!.done + ended[1]!.done).toBe(1500);
  expect(ended[0]!.failed + ended[1]!.failed).toBe(1500);
  expect(await storedRows(field)).toHaveLength(1500 + writers);
  expect(field.conflicts.get("replicate:push")).toBe(0);
  // Those who stage rows are the app's own calls: nobody who only shares the pool with them makes them wait.
  expect(field.conflicts.get("planted:importRows")).toBe(0);
}, 120_000);

test("I-9: of imports and pushes that insert the same ids at once one wins each, and row and document agree", async () => {
  const field = await startImportEngine({ clock: new JumpClock(), seed: 4, readLatencyMs: [0, 20] });
  // The server's author is there from now on: else those who are first would meet in making it.
  await imported(
    field,
    await field.mutation(planted("importRows"), { rows: [{ ...rowOf(0), id: "first", country: "LU" }] }),
  );
  const rows = 40;
  const json = JSON.stringify(Array.from({ length: rows }, (_, n) => rowOf(n)));
  // What a chunk of each of four imports does; the pool would have them begin one after the other.
  const work = { type: "import", rows: json, from: 0, to: rows };
  const chunks = [1, 2, 3, 4].map(
    () => field.mutation(planted("takeIn"), { collection: "sites", work }) as Promise<ImportWorkResult>,
  );
  const devices = Array.from({ length: rows }, (_, n) => deviceOf(field, 1000 + n));
  const pushed = devices.map((device, n) =>
    device.send(device.insert(`s${n}`, { name: "pushed", country: n % 2 ? "FR" : "DE" })),
  );
  const outcomes = (await Promise.all(pushed)).flat();
  const results = await Promise.all(chunks);
  const arrived = results.reduce((sum, { done, failed }) => sum + done - failed.length, 0);
  expect(arrived + outcomes.filter(({ status }) => status === "applied").length).toBe(rows);
  for (const { done } of results) expect(done).toBe(rows);
  expect(field.conflicts.get("planted:takeIn")).toBeGreaterThan(0);
  const stored = await storedRows(field);
  expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length);
  expect(stored).toHaveLength(rows + 1);
  const entries = (await Promise.all(["DE", "FR"].map((scope) => entriesOf(field, scope)))).flat();
  const documents = entries.filter(isStateEntry);
  expect(documents).toHaveLength(rows);
  for (const { document, bytes } of documents) {
    const projected = projectRow(sites, document, readMain(openDocument([new Uint8Array(bytes)])));
    expect(stored.find(({ id }) => id === document)).toEqual(projected);
  }
}, 120_000);
