import { assert, asyncProperty, array, constantFrom, nat, oneof, record, type Arbitrary } from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

// Small batches: they end within commits, and between the documents of one.
vi.mock("../shared/limits.js", async (original) => {
  const { limits } = await original<typeof import("../shared/limits.js")>();
  return {
    limits: { ...limits, followedChanges: 7, followedDocuments: 2, followedDue: 1, followedRows: 30 },
  };
});

const numRuns = Number(process.env["NUM_RUNS"] ?? 40);
const documents = ["a", "b", "c"];
const countries = ["DE", "FR", "IT"];
const minuteMs = 60_000;

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }));
afterEach(() => vi.useRealTimers());

type Step =
  | { type: "insert" | "edit" | "burst" | "delete" | "purge" | "compact" | "finish"; document: string }
  | { type: "move"; document: string; country: string }
  | { type: "follow" | "twice" | "epoch" }
  | { type: "pass"; minutes: number };

const document = constantFrom(...documents);
const steps: Arbitrary<Step> = oneof(
  {
    weight: 6,
    arbitrary: record({
      type: constantFrom(
        "insert",
        "edit",
        "burst",
        "delete",
        "compact",
        "finish",
        "purge",
      ) as Arbitrary<"edit">,
      document,
    }),
  },
  {
    weight: 2,
    arbitrary: record({ type: constantFrom("move" as const), document, country: constantFrom(...countries) }),
  },
  { weight: 3, arbitrary: record({ type: constantFrom("follow", "twice") as Arbitrary<"follow"> }) },
  { weight: 1, arbitrary: record({ type: constantFrom("epoch" as const) }) },
  { weight: 2, arbitrary: record({ type: constantFrom("pass" as const), minutes: nat(12) }) },
);

class History {
  followed = 0;
  compacted = 0;
  readonly #app: ServerApp = createServerApp();
  /** One author per document and life: what was purged begins anew. */
  readonly #devices = new Map<string, PushDevice>();
  #authors = 1000;

  async run(step: Step): Promise<void> {
    const { t, component, replicate } = this.#app;
    switch (step.type) {
      case "insert":
      case "edit":
      case "delete":
      case "move":
        return this.#push(step);
      case "burst":
        return this.#burst(step.document);
      case "compact":
        await this.#call("compact", "compact", { collection: "sites", document: step.document });
        return;
      case "finish":
        return this.#finish(step.document);
      case "purge":
        await t.mutation((ctx) => replicate.admin(ctx).purge(sites, step.document));
        this.#devices.delete(step.document);
        return;
      case "follow":
        await this.follow();
        return;
      case "twice": {
        // A batch that was taken in long since, as a loop that was superseded would bring it.
        const batch = await this.#next();
        if (batch === undefined) return;
        await this.#call("follower", "follow", batch);
        await this.follow();
        const { cursor } = await this.#follower();
        await this.#call("follower", "follow", batch);
        expect((await this.#follower()).cursor).toEqual(cursor);
        return;
      }
      case "epoch":
        await t.mutation((ctx) => ctx.runMutation(component.epochs.newEpoch, { collection: "sites" }));
        // The follower does nothing until all that is derived is cleared.
        while ((await this.#follower()).clearing !== undefined) {
          await vi.advanceTimersByTimeAsync(1);
          await t.finishInProgressScheduledFunctions();
        }
        return;
      case "pass":
        vi.setSystemTime(Date.now() + step.minutes * minuteMs);
    }
  }

  /** @returns whether there was something to do */
  async follow(): Promise<boolean> {
    const batch = await this.#next();
    if (batch !== undefined) await this.#call("follower", "follow", batch);
    if (batch !== undefined) this.followed += 1;
    return batch !== undefined;
  }

  async check(): Promise<void> {
    const tables = (await this.#app.tables()) as Record<string, Stored[]>;
    const stored = { deltas: tables["deltas"]!, snapshots: tables["snapshots"]! };
    const heads = new Map((tables["heads"] as unknown as Head[]).map((head) => [head.document, head]));
    const rows = await this.#app.rows();
    const all = new Set([...stored.deltas, ...stored.snapshots].map((row) => row.document));
    expect([...heads.keys()].sort()).toEqual([...all].sort());
    const scopes = new Map<string, { documents: number; bytes: number }>();
    for (const id of all) {
      const deltas = stored.deltas.filter((row) => row.document === id);
      const snapshots = stored.snapshots.filter((row) => row.document === id);
      const row = rows.find((each) => each.id === id);
      const scope = (deltas.at(-1) ?? snapshots.at(-1))!.scope;
      const sizes = { deltaBytes: bytesOf(deltas), snapshotBytes: bytesOf(snapshots) };
      expect(heads.get(id)).toMatchObject({
        scope,
        deltaCount: deltas.length,
        ...sizes,
        deleted: row === undefined,
      });
      if (row === undefined) continue;
      const { documents: count, bytes } = scopes.get(scope) ?? { documents: 0, bytes: 0 };
      scopes.set(scope, { documents: count + 1, bytes: bytes + sizes.deltaBytes + sizes.snapshotBytes });
    }
    const [health] = await this.#app.t.query((ctx) => this.#app.replicate.health(ctx));
    expect(health).toMatchObject({
      deltas: stored.deltas.length,
      snapshots: new Set(stored.snapshots.map((row) => row.document)).size,
      bytes: bytesOf(stored.deltas) + bytesOf(stored.snapshots),
      followerLagMs: 0,
      failedJobs: 0,
    });
    for (const scope of countries)
      expect(await this.#app.t.query((ctx) => this.#app.replicate.stats(ctx, sites, scope))).toEqual(
        scopes.get(scope) ?? { documents: 0, bytes: 0 },
      );
  }

  #deviceOf(id: string): PushDevice {
    const device = this.#devices.get(id) ?? new PushDevice(this.#app, this.#authors++);
    this.#devices.set(id, device);
    return device;
  }

  /** What stands against it, as an insert of what is there, is refused and forgotten. */
  async #push(step: Extract<Step, { document: string }>): Promise<void> {
    const device = this.#deviceOf(step.document);
    const isThere = (await this.#app.rows()).some(({ id }) => id === step.document);
    if (isThere === (step.type === "insert")) return;
    if (step.type === "insert") await device.send(device.insert(step.document));
    else if (step.type === "edit")
      await device.send(device.set(step.document, "name", String(Math.random())));
    else if (step.type === "delete") await device.send(device.change(step.document, [{ type: "delete" }]));
    else if (step.type === "move") {
      const [row] = (await this.#app.rows()).filter(({ id }) => id === step.document);
      if (row!.country !== step.country)
        await device.send(device.set(step.document, "country", step.country));
    }
  }

  /** Forty deltas in one commit. */
  async #burst(id: string): Promise<void> {
    const row = (await this.#app.rows()).find((each) => each.id === id);
    if (row === undefined) return;
    const device = this.#deviceOf(id);
    const deltas = Array.from({ length: 40 }, () => ({
      collection: "sites",
      document: id,
      part: "",
      scope: row.country,
      bytes: device.change(id, [{ type: "increment", field: "visits", by: 1 }]).bytes,
      client: "",
      transactions: [],
      schemaVersion: 1,
    }));
    await this.#call("append", "append", { deltas });
  }

  /** The job of a document that was handed over, or is within the next minutes. */
  async #finish(id: string): Promise<void> {
    const isHandedOver = async () => {
      const { heads } = (await this.#app.tables()) as unknown as { heads: Head[] };
      return heads.some((head) => head.document === id && head.compacting !== undefined);
    };
    if (!(await isHandedOver())) {
      vi.setSystemTime(Date.now() + 11 * minuteMs);
      for (let turns = 0; turns < 3; turns++) await this.follow();
    }
    if (!(await isHandedOver())) return;
    const context = { collection: "sites", document: id, part: "" };
    await this.#call("compact", "compactIfDue", context);
    this.compacted += 1;
    await this.#call("compact", "finish", {
      workId: "w",
      context,
      result: { kind: "success", returnValue: null },
    });
  }

  async #follower(): Promise<{ cursor: object; clearing?: string }> {
    return (await this.#app.tables())["followers"]![0] as { cursor: object; clearing?: string };
  }

  async #next(): Promise<object | undefined> {
    const { t, component } = this.#app;
    const { next } = (component as unknown as Record<string, Record<string, never>>)["follower"]!;
    const work: { batch?: object } = await t.query((ctx) => ctx.runQuery(next!, { name: "sites" } as never));
    return work.batch;
  }

  #call(file: string, name: string, args: object): Promise<unknown> {
    const { t, component } = this.#app;
    const reference = (component as unknown as Record<string, Record<string, never>>)[file]![name]!;
    return t.mutation((ctx) => ctx.runMutation(reference, args as never));
  }
}

type Stored = { document: string; scope: string; bytes: ArrayBuffer };
type Head = { document: string; compacting?: number };

function bytesOf(rows: readonly Stored[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
}

test("heads equal what is stored and totals equal a recount, whatever was written, compacted, moved or purged at any point", async () => {
  const done = { followed: 0, compacted: 0 };
  await assert(
    asyncProperty(array(steps, { minLength: 15, maxLength: 40, size: "max" }), async (history) => {
      const world = new History();
      for (const each of documents) await world.run({ type: "insert", document: each });
      for (const step of history) await world.run(step);
      for (let turns = 0; await world.follow(); turns++) expect(turns).toBeLessThan(100);
      await world.check();
      done.followed += world.followed;
      done.compacted += world.compacted;
    }),
    { seed: 7, numRuns },
  );
  expect(done.followed).toBeGreaterThan(numRuns * 3);
  expect(done.compacted).toBeGreaterThan(numRuns / 20);
});
