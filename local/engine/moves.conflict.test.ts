import { anyApi } from "convex/server";
import { expect, test } from "vitest";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import { startCursor, type Page } from "../../src/shared/wire.js";
import { compactReference, startFieldEngine } from "../fieldEngine.js";
import { JumpClock } from "../jumpClock.js";

test("documents that move while they are compacted end whole in one scope; whoever comes second is tried again", async () => {
  const field = await startFieldEngine({ clock: new JumpClock(), seed: 5, readLatencyMs: [0, 10] });
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  const devices = Array.from(
    { length: 30 },
    (_, n) => new PushDevice(app, 100 + n, `client${n}`, field as unknown as ServerApp["t"]),
  );
  await Promise.all(devices.map((device, n) => device.send(device.insert(`x${n}`))));
  for (const country of ["FR", "DE", "FR"])
    await Promise.all(
      devices.flatMap((device, n) => [
        device.send(device.set(`x${n}`, "country", country)),
        field.mutation(compactReference, { collection: "sites", document: `x${n}` }),
      ]),
    );
  const documentsIn = async (scope: string) => {
    const args = { collection: "sites", scope, cursor: startCursor };
    const { entries } = (await field.query(anyApi["replicate"]!["pull"] as never, args)) as Page;
    return entries.map(({ document }) => document);
  };
  expect(await documentsIn("DE")).toEqual([]);
  expect(new Set(await documentsIn("FR"))).toEqual(new Set(devices.map((_, n) => `x${n}`)));
  const { conflicts } = field;
  const met = (conflicts.get("replicate:push") ?? 0) + (conflicts.get("planted:compact") ?? 0);
  expect(met).toBeGreaterThan(0);
});
