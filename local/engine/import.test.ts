import { expect, test } from "vitest";
import { projectRow } from "../../src/collections/index.js";
import { openDocument } from "../../src/shared/document.js";
import { limits } from "../../src/shared/limits.js";
import { readMain } from "../../src/shared/mainDocument.js";
import type { StreamEntry } from "../../src/shared/wire.js";
import { sites } from "../../src/testing/fieldApp.js";
import { DataDirectory } from "../durable/dataDirectory.js";
import { SimulatedDisk } from "../durable/simulatedDisk.js";
import { JumpClock } from "../jumpClock.js";
import type { FieldEngine } from "../fieldEngine.js";
import { entriesOf, imported, planted, startImportEngine, storedRows } from "./importUnderTest.js";

const start = () => startImportEngine({ clock: new JumpClock(), seed: 7 });

/** I-9, and that each document is one snapshot: whatever happened on the way. */
async function expectWhole(field: FieldEngine, job: string, scopes: Record<string, number>) {
  const rows = new Map((await storedRows(field)).map((row) => [row.id, row]));
  for (const [scope, count] of Object.entries(scopes)) {
    const entries = await entriesOf(field, scope);
    expect(entries.at(-1)).toMatchObject({ type: "bulk", job, count });
    const documents = entries.slice(0, -1) as Extract<StreamEntry, { type: "snapshot" | "update" }>[];
    expect(documents).toHaveLength(count);
    for (const { type, document, bytes } of documents) {
      expect(type).toBe("snapshot");
      expect(projectRow(sites, document, readMain(openDocument([new Uint8Array(bytes)])))).toEqual(
        rows.get(document),
      );
      rows.delete(document);
    }
  }
  expect([...rows]).toEqual([]);
}

test("I-9: rows that are imported become documents and rows that agree, a snapshot each, and one bulk entry a scope", async () => {
  const field = await start();
  const job = (await field.mutation(planted("importRows"), { rows: 1050 })) as string;
  expect(await imported(field, job)).toMatchObject({ state: "done", total: 1050, done: 1050, failed: 0 });
  await expectWhole(field, job, { DE: 525, FR: 525 });
}, 60_000);

test("an action stages in several transactions what a mutation must do in one, and a second import of the same is refused row by row", async () => {
  const field = await start();
  const most = limits.importRowsAtOnce;
  const refused = field.mutation(planted("importRows"), { rows: most + 1 });
  await expect(refused).rejects.toMatchObject({ data: { code: "too_large" } });
  const rows = limits.importStagedChunks * limits.importedRows + 300;
  const job = await field.action(planted("importInAction"), { rows });
  expect(await imported(field, job)).toMatchObject({ state: "done", total: rows, done: rows });
  const again = await imported(field, await field.action(planted("importInAction"), { rows }));
  expect(again).toMatchObject({ state: "done", total: rows, done: 0, failed: rows, scopes: [] });
  expect(again.failures).toHaveLength(limits.importFailures);
  expect(await storedRows(field)).toHaveLength(rows);
}, 120_000);

const isChunk = /importPool\/worker/;
const rowCount = 1500;

test("an import goes on where it was when the process is killed in the middle, again and again, and takes in each row once", async () => {
  const clock = new JumpClock();
  let disk = new SimulatedDisk();
  const open = async (on: SimulatedDisk) =>
    startImportEngine({ clock, seed: 7, data: await DataDirectory.open("/data", { disk: on }) });
  const first = await open(disk);
  const job = (await first.mutation(planted("importRows"), { rows: rowCount })) as string;
  await first.engine.close();
  const found: number[] = [];
  for (const chunks of [1, 2, 1, 3]) {
    const at = disk;
    const field = await open(at);
    found.push((await storedRows(field)).length);
    disk = await new Promise<SimulatedDisk>((resolve) => {
      let [left, calls] = [chunks, 0];
      field.engine.onBackgroundCall(({ path }) => {
        calls += 1;
        if (isChunk.test(path)) left -= 1;
        if (left === 0 || calls > 1000) resolve(at.afterKill());
      });
    });
    await field.engine.close();
  }
  const last = await open(disk);
  found.push((await storedRows(last)).length);
  expect(found.filter((count) => count > 0 && count < rowCount).length).toBeGreaterThan(1);
  expect(await imported(last, job)).toMatchObject({
    state: "done",
    total: rowCount,
    done: rowCount,
    failed: 0,
  });
  await expectWhole(last, job, { DE: rowCount / 2, FR: rowCount / 2 });
}, 120_000);
