import fc from "fast-check";
import { expect, test } from "vitest";
import { createFieldApp, type FieldApp } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { connectionEvents, isConnectionEvent, SitesWorld, textOf } from "../testing/testWorld.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 100);
const ids = ["a", "b", "c"] as const;
/** So that a transaction over all of them comes back in two pieces. */
const countryOf = (id: string) => (id === "c" ? "FR" : "DE");

const everywhere = ["DE", "FR"];

/** Three tabs, each on the profile that `profileOf` names for it; a profile's database outlives its tabs. */
class Devices extends SitesWorld {
  readonly #profiles = [0, 1, 2].map(() => new TestProfile());
  readonly #scopesOf: readonly (readonly string[])[];
  readonly all;

  /** @param scopesOf - what each tab subscribes to; default: everything */
  constructor(
    app: FieldApp,
    seed: number,
    profileOf: readonly number[] = [0, 1, 2],
    scopesOf: readonly (readonly string[])[] = [],
  ) {
    super(app, { seed });
    this.#scopesOf = scopesOf;
    this.all = profileOf.map((profile, index) => this.#open(index, this.#profiles[profile]!));
  }

  /** The tab is killed, and another one opens the same database. */
  async crash(index: number): Promise<void> {
    const tab = this.all[index]!;
    tab.kill();
    this.all[index] = this.#open(index, tab.profile);
    await this.all[index]!.replica.ready;
  }

  /** Connects everybody, and waits until nobody has anything to send or to read. */
  async settle(): Promise<void> {
    await this.connectAll(this.all);
    const expected = await this.expected();
    const isDone = () => this.all.every(({ col }, index) => textOf(col.rows()) === expected[index]);
    await this.waitUntil(isDone, 2_000).catch(() => {});
  }

  /** What each device shows once it has seen everything. */
  async expected(): Promise<string[]> {
    const rows = await this.app.rows();
    return this.all.map((_, index) =>
      textOf(rows.filter(({ country }) => this.#scopesAt(index).includes(country))),
    );
  }

  #scopesAt(index: number): readonly string[] {
    return this.#scopesOf[index] ?? everywhere;
  }

  #open(index: number, profile: TestProfile) {
    return this.open({ profile, scopes: this.#scopesAt(index) });
  }
}

const device = fc.constantFrom(0, 0, 0, 1, 1, 2);
const id = fc.constantFrom("a", "a", "a", "b", "c");
const edit = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("rename" as const), device, id, name: fc.string() }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("visit" as const), device, id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("tag" as const), device, id, tag: fc.string() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("visitAll" as const), device }) },
);
const event = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("offline", "online", "loseAnswer", "loseRequest", "hold", "release", "crash"),
      device,
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("wait" as const), device }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const), id }) },
);
const life = fc.record({ type: fc.constantFrom("insert", "insert", "delete"), device, id });
const move = fc.record({
  type: fc.constant("move" as const),
  device,
  id,
  country: fc.constantFrom("DE", "FR", "IT"),
});
const anything = fc.oneof(edit, event, life);
const anywhere = fc.oneof(edit, event, life, move, move);
const editing = fc.oneof(edit, event);
type Step = typeof anywhere extends fc.Arbitrary<infer S> ? S : never;

async function take(step: Step, devices: Devices, app: FieldApp): Promise<void> {
  if (step.type === "compact") {
    const document = { collection: "sites", document: step.id };
    await app.t.mutation((ctx) => ctx.runMutation(app.component.compact.compact, document));
    return devices.network.refresh();
  }
  const { client, col, replica } = devices.all[step.device]!;
  if (isConnectionEvent(step.type)) return connectionEvents[step.type](client);
  switch (step.type) {
    case "wait":
      return devices.runTimers(3);
    case "visitAll":
      replica.transact(() => {
        for (const each of ids) if (col.has(each)) col.update(each, (draft) => draft.visits.increment());
      });
      return;
    case "crash":
      return devices.crash(step.device);
  }
  if (step.type === "insert") {
    if (!col.has(step.id)) col.insert({ id: step.id, name: "new", country: countryOf(step.id) });
    return;
  }
  if (!("id" in step) || !col.has(step.id)) return;
  if (step.type === "rename") col.update(step.id, (draft) => void (draft.name = step.name));
  if (step.type === "visit") col.update(step.id, (draft) => draft.visits.increment());
  if (step.type === "tag") col.update(step.id, (draft) => draft.tags.add(step.tag));
  if (step.type === "delete") col.delete(step.id);
  if (step.type === "move") col.update(step.id, (draft) => void (draft.country = step.country));
}

function statusesOf(result: unknown): string[] {
  return ((result as { results?: { status: string }[] }).results ?? []).map(({ status }) => status);
}

test("I-3, I-4, I-8, I-9: after any operations, offline spells and crashes three devices and the server are equal", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { maxLength: 50 }), fc.nat(), async (steps, seed) => {
      const app = createFieldApp();
      const devices = new Devices(app, seed);
      for (const step of steps) await take(step, devices, app);
      await devices.settle();
      const rows = textOf(await app.rows());
      for (const { col } of devices.all) expect(textOf(col.rows())).toBe(rows);
      const failed = devices.all.flatMap(({ replica }) => replica.transactions.list({ state: "failed" }));
      for (const { error } of failed) expect(["exists", "unknown_document"]).toContain(error?.code);
    }),
    { seed: 1, numRuns },
  );
}, 300_000);

test("I-8, I-9, I-12: wherever documents move, each device ends with exactly those of the scopes that it reads", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anywhere, { maxLength: 50 }), fc.nat(), async (steps, seed) => {
      const app = createFieldApp();
      const devices = new Devices(app, seed, [0, 1, 2], [everywhere, ["DE"], ["DE", "FR", "IT"]]);
      for (const step of steps) await take(step, devices, app);
      await devices.settle();
      expect(devices.all.map(({ col }) => textOf(col.rows()))).toEqual(await devices.expected());
      const failed = devices.all.flatMap(({ replica }) => replica.transactions.list({ state: "failed" }));
      for (const { error } of failed) expect(["exists", "unknown_document"]).toContain(error?.code);
    }),
    { seed: 4, numRuns },
  );
}, 300_000);

const profiles: [string, readonly number[]][] = [
  ["on three devices", [0, 1, 2]],
  ["in two tabs of one device and on another", [0, 0, 1]],
];

test.each(profiles)(
  "I-1, I-3, I-5, I-7, I-19: %s every increment counts once, and what is shown never falls back nor runs ahead",
  async (_name, profileOf) => {
    await fc.assert(
      fc.asyncProperty(fc.array(editing, { maxLength: 60 }), fc.nat(), async (steps, seed) => {
        const app = createFieldApp();
        await app.writer((writer) =>
          writer.insertMany(ids.map((each) => ({ id: each, name: each, country: countryOf(each) }))),
        );
        const devices = new Devices(app, seed, profileOf);
        await devices.settle();
        const made = new Map<string, number>(ids.map((each) => [each, 0]));
        const faults: string[] = [];
        const shown = devices.all.map(() => new Map<string, number>(ids.map((each) => [each, 0])));
        const check = (index: number) => {
          const { col } = devices.all[index]!;
          for (const each of ids) {
            const visits = col.get(each)?.visits ?? -1;
            const before = shown[index]!.get(each)!;
            if (visits < before) faults.push(`device ${index}: "${each}" fell from ${before} to ${visits}`);
            if (visits > made.get(each)!) faults.push(`device ${index}: "${each}" ran ahead to ${visits}`);
            shown[index]!.set(each, visits);
          }
        };
        const watch = (index: number) => {
          const tab = devices.all[index]!;
          // What a killed tab's object still does nobody sees.
          tab.col.subscribe(() => tab === devices.all[index] && check(index));
        };
        devices.all.forEach((_, index) => watch(index));
        for (const step of steps) {
          const visited = step.type === "visit" ? [step.id] : step.type === "visitAll" ? ids : [];
          for (const each of visited) made.set(each, made.get(each)! + 1);
          await take(step, devices, app);
          if (step.type !== "crash") continue;
          check(step.device);
          watch(step.device);
        }
        await devices.settle();
        expect(faults).toEqual([]);
        // Nobody deletes: whatever is sent stands on what the server holds, at the first attempt.
        expect(devices.network.results.flatMap(statusesOf)).not.toContain("gap");
        const rows = await app.rows();
        for (const { col } of devices.all) expect(textOf(col.rows())).toBe(textOf(rows));
        expect(new Map(rows.map((row) => [row.id, row.visits]))).toEqual(made);
        for (const { replica } of devices.all) expect(replica.transactions.list()).toEqual([]);
      }),
      { seed: 2, numRuns },
    );
  },
  300_000,
);
