// Health as a dashboard watches it: it is called by what the follower does, not by what is pushed.
import { anyApi, queryGeneric } from "convex/server";
import { v } from "convex/values";
import { expect, test, vi } from "vitest";
import type { CollectionHealth } from "../../src/shared/wire.js";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import { startFieldEngine, type FieldEngine } from "../fieldEngine.js";
import { JumpClock } from "../jumpClock.js";
import type { Commit } from "../mvcc/versionedStore.js";
import type { Snapshot } from "./engine.js";

const start = (clock: JumpClock) =>
  startFieldEngine({ clock, seed: 5, readLatencyMs: [0, 2] }, (replicate) => ({
    health: queryGeneric({
      args: { now: v.number() },
      handler: (ctx, { now }) => replicate.health(ctx as never, { now }),
    }),
  }));

/** Runs the query whenever something that it has read is written, as a subscription does. */
class Watcher {
  runs = 0;
  newest: CollectionHealth | undefined;
  #snapshot: Snapshot | null = null;
  /** While it runs it is not known what it reads. */
  #missed: Commit[] | null = null;
  readonly #field: FieldEngine;
  readonly #now: number;

  constructor(field: FieldEngine, now: number) {
    this.#field = field;
    this.#now = now;
    field.engine.onCommit((commit) => {
      if (this.#missed !== null) this.#missed.push(commit);
      else if (this.#isTouchedBy(commit)) void this.run();
    });
  }

  get isUpToDate(): boolean {
    return this.#missed === null;
  }

  async run(): Promise<void> {
    for (this.#missed = []; ;) {
      this.runs += 1;
      const call = {
        kind: "query" as const,
        path: "planted:health",
        args: { now: this.#now },
        identity: null,
      };
      const result = await this.#field.engine.run(call);
      if (!result.ok) throw new Error(result.message);
      this.#snapshot = result.snapshot;
      const all = result.value as unknown as CollectionHealth[];
      this.newest = all.find(({ collection }) => collection === "sites");
      const missed: Commit[] = this.#missed.splice(0);
      if (!missed.some((commit) => commit.ts > result.snapshot!.ts && this.#isTouchedBy(commit))) break;
    }
    this.#missed = null;
  }

  #isTouchedBy({ writes }: Commit): boolean {
    return this.#snapshot !== null && writes.some((write) => this.#snapshot!.isTouchedBy(write));
  }
}

test("of 300 pushes a watcher of health is called as often as the follower moves, and no more", async () => {
  const clock = new JumpClock();
  const field = await start(clock);
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  const devices = Array.from(
    { length: 30 },
    (_, n) => new PushDevice(app, 1000 + n, `client${n}`, field as unknown as ServerApp["t"]),
  );
  let moves = 0;
  field.engine.onCommit(({ writes }) => {
    // Each batch, and each time it is woken, writes the one row of `followers`.
    if (writes.some(({ table }) => table.includes("followers"))) moves += 1;
  });
  await devices[0]!.send(devices[0]!.insert("first"));
  const watcher = new Watcher(field, clock.now());
  await watcher.run();
  moves = 0;
  watcher.runs = 0;
  for (let round = 0; round < 10; round++)
    await Promise.all(devices.map((device, n) => device.send(device.insert(`site ${round} ${n}`))));
  await field.engine.settled();
  await vi.waitUntil(() => watcher.isUpToDate);
  expect(moves).toBeGreaterThan(0);
  expect(watcher.runs).toBeLessThanOrEqual(moves);
  expect(watcher.runs).toBeLessThan(100);
  expect(watcher.newest).toMatchObject({ deltas: 301, isStalled: false });
  // One at a time, when the follower has caught up: there is nothing that it has not come to.
  moves = 0;
  watcher.runs = 0;
  for (let n = 0; n < 20; n++) {
    await devices[0]!.send(devices[0]!.insert(`late ${n}`));
    await field.engine.settled();
    await vi.waitUntil(() => watcher.isUpToDate);
  }
  expect(moves).toBeGreaterThan(0);
  expect(watcher.runs).toBeLessThanOrEqual(moves);
}, 60_000);
