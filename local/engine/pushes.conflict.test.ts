import { expect, test } from "vitest";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import { anyApi } from "convex/server";
import { compactReference, countReference, startFieldEngine, type FieldEngine } from "../fieldEngine.js";
import { JumpClock } from "../jumpClock.js";

const writers = 200;

function deviceOf(field: FieldEngine, author: number): PushDevice {
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  return new PushDevice(app, author, `client${author}`, field as unknown as ServerApp["t"]);
}

test("I-13: 200 pushes at a time to different documents, and compaction of the same, never conflict; a counter beside them does", async () => {
  const field = await startFieldEngine({ clock: new JumpClock(), seed: 3, readLatencyMs: [0, 20] });
  const devices = Array.from({ length: writers }, (_, n) => deviceOf(field, 1000 + n));
  await Promise.all(devices.map((device, n) => device.send(device.insert(`site ${n}`))));
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      devices.flatMap((device, n) => [
        device.send(device.set(`site ${n}`, "name", `name ${round}`)),
        field.mutation(compactReference, { collection: "sites", document: `site ${n}` }),
        ...(n % 10 === 0 ? [field.mutation(countReference).catch(() => null)] : []),
      ]),
    );
  }
  const { conflicts } = field;
  expect(conflicts.get("planted:count")).toBeGreaterThan(20);
  // Wake-ups of the follower may meet each other, and it, and nobody else.
  const expected = /^planted:count$|^replicate\/(follower:|batchWorker\/)/;
  expect([...conflicts].filter(([name, count]) => !expected.test(name) && count > 0)).toEqual([]);
  expect(conflicts.get("replicate:push")).toBe(0);
});
