import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Document } from "../engine/engine.js";
import { DataDirectory, type DataDirectoryOptions } from "./dataDirectory.js";
import { DataDirectoryError } from "./dataDirectoryError.js";
import { commitsOfState, newestIn, numbered, recoverState, stateAfter, type State } from "./history.js";
import { randomFrom, SimulatedDisk } from "./simulatedDisk.js";
import type { StoredCommit } from "./storedCommit.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 150);

const leaf = fc.oneof(
  fc.double(),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => bytes.slice().buffer),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "ü"), tie("value"), { maxKeys: 2, noNullPrototype: true }),
  ),
}));
const write = fc.record({
  table: fc.constantFrom("notes", "0:tasks"),
  id: fc.constantFrom("a", "b", "c"),
  after: fc.option(
    value.map((field) => ({ field }) as Document),
    { nil: null },
  ),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("append" as const), writes: fc.array(write, { maxLength: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("flush" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("compact" as const), isAwaited: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reopen" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Killed extends Error {}

/** Also the bytes of buffers, and -0. */
function expectSame(found: State, expected: State): void {
  if (!isDeepStrictEqual(found, expected)) expect(found).toStrictEqual(expected);
  expect(isDeepStrictEqual(found, expected)).toBe(true);
}

/** Runs the steps until the disk stops; keeps the book on what was appended and what was reported as durable. */
class Scenario {
  readonly commits: StoredCommit[] = [];
  acked = 0;
  readonly disk: SimulatedDisk;
  readonly #options: DataDirectoryOptions;

  constructor(disk: SimulatedDisk, options: DataDirectoryOptions) {
    this.disk = disk;
    this.#options = { ...options, disk };
  }

  async run(steps: readonly Step[]): Promise<void> {
    let data = await this.#open();
    let compaction = Promise.resolve();
    for (const each of steps) {
      if (each.type === "append") {
        const commit = numbered(this.commits.length + 1, each.writes);
        this.commits.push(commit);
        data.append(commit);
      } else if (each.type === "flush") await this.#flush(data);
      else if (each.type === "compact") {
        await compaction;
        compaction = data.compact(BigInt(this.commits.length), commitsOfState(stateAfter(this.commits)));
        compaction.catch(() => {});
        if (each.isAwaited) await compaction;
      } else {
        await compaction;
        await data.close();
        data = await this.#open();
      }
    }
    await this.#flush(data);
    await compaction;
    await data.close();
  }

  async #open(): Promise<DataDirectory> {
    const data = await DataDirectory.open("/data", this.#options);
    expectSame((await recoverState(data)).state, stateAfter(this.commits));
    return data;
  }

  async #flush(data: DataDirectory): Promise<void> {
    const { length } = this.commits;
    await data.flushed();
    this.acked = length;
  }
}

/** That a disk holds the state after some of the commits, with all that were acknowledged, and can be gone on with. */
async function expectPrefix(disk: SimulatedDisk, { commits, acked }: Scenario): Promise<void> {
  const data = await DataDirectory.open("/data", { disk });
  const { state, lastTs } = await recoverState(data);
  const newest = newestIn(state);
  expect(newest).toBeGreaterThanOrEqual(acked);
  expectSame(state, stateAfter(commits.slice(0, newest)));
  expect(lastTs).toBeGreaterThanOrEqual(BigInt(newest));
  const next = numbered(Number(lastTs) + 1);
  data.append(next);
  await data.close();
  const again = await DataDirectory.open("/data", { disk });
  expectSame((await recoverState(again)).state, stateAfter([...commits.slice(0, newest), next]));
  await again.close();
}

test("any history, compacted and reopened anywhere, is recovered as it was", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const scenario = new Scenario(new SimulatedDisk(), { fsync: "never" });
      await scenario.run(steps);
      expect(scenario.acked).toBe(scenario.commits.length);
      await expectPrefix(scenario.disk.afterKill(), scenario);
    }),
    { seed: 1, numRuns },
  );
});

test("a kill or a loss of power at any step of the disk leaves a prefix with all that was acknowledged", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.nat({ max: 120 }),
      fc.nat(),
      async (steps, killedAt, seed) => {
        const random = randomFrom(seed);
        const scenario = new Scenario(new SimulatedDisk(), { fsync: "always" });
        let done = 0;
        scenario.disk.tearAt = (bytes) => Math.floor(random() * (bytes.length + 1));
        scenario.disk.onStep = () => {
          if (done++ >= killedAt) throw new Killed();
        };
        await scenario.run(steps).catch((error: unknown) => {
          if (done <= killedAt) throw error;
        });
        const images = [1, 2, 3].map(() => scenario.disk.afterPowerLoss(random));
        for (const image of [scenario.disk.afterKill(), ...images]) await expectPrefix(image, scenario);
      },
    ),
    { seed: 2, numRuns: numRuns * 2 },
  );
});

test("a loss of power under another policy leaves a prefix with all that was synced, or is refused: never another state", async () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 200; seed += 1) {
    const random = randomFrom(seed);
    const scenario = new Scenario(new SimulatedDisk(), { fsync: "never" });
    const append = { type: "append" as const, writes: [] };
    const flushes = Array.from({ length: 8 }, () => [append, append, { type: "flush" as const }]).flat();
    let synced = 0;
    scenario.disk.onStep = (name) => {
      if (name === "rename log-1.tmp") synced = 16;
      if (name === "sync log-1") throw new Error("there is no sync");
    };
    await scenario.run([...flushes, { type: "compact", isAwaited: true }, ...flushes]);
    scenario.acked = synced;
    const outcome = await expectPrefix(scenario.disk.afterPowerLoss(random), scenario).then(
      () => "prefix",
      (error: unknown) => {
        if (error instanceof DataDirectoryError) return error.code;
        throw error;
      },
    );
    outcomes.add(outcome);
  }
  expect([...outcomes].sort()).toEqual(["corrupt", "prefix"]);
});

test("a kill at each step of a compaction, and a loss of power, leave the state before or after, which are the same", async () => {
  const random = randomFrom(1);
  const seen = new Set<string>();
  for (let killedAt = 0; ; killedAt += 1) {
    const scenario = new Scenario(new SimulatedDisk(), { fsync: "always" });
    let done = 0;
    let isKilled = false;
    scenario.disk.onStep = (name) => {
      isKilled ||= done++ >= killedAt;
      if (isKilled) throw new Killed();
      seen.add(name);
    };
    const appended = Array.from({ length: 12 }, () => ({ type: "append" as const, writes: [] }));
    const compact = { type: "compact" as const, isAwaited: false };
    await scenario
      .run([...appended, { type: "flush" }, compact, ...appended, compact, ...appended])
      .catch((error: unknown) => {
        if (!isKilled) throw error;
      });
    await expectPrefix(scenario.disk.afterKill(), scenario);
    for (let image = 0; image < 20; image += 1)
      await expectPrefix(scenario.disk.afterPowerLoss(random), scenario);
    if (!isKilled) break;
  }
  for (const name of ["rename log-1.tmp", "rename snapshot-2.tmp", "remove log-0", "remove snapshot-1"])
    expect(seen).toContain(name);
});
