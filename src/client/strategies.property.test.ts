import fc from "fast-check";
import { expect, test } from "vitest";
import type { SiteHooks } from "../testing/serverFunctions.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { connectionEvents, isConnectionEvent, SitesWorld } from "../testing/testWorld.js";
import type { Transaction, TransactionStrategy } from "./base/types.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 60);
const ids = ["a", "b", "c"] as const;
type Id = (typeof ids)[number];

interface Write {
  readonly type: "write";
  readonly strategy: TransactionStrategy;
  readonly documents: readonly Id[];
  /** The server refuses it, whatever comes before or after it. */
  readonly isForbidden: boolean;
}
const write: fc.Arbitrary<Write> = fc.record({
  type: fc.constant("write" as const),
  strategy: fc.constantFrom("ordered" as const, "parallel" as const),
  documents: fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1, maxLength: 2 }),
  isForbidden: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});
const event = fc.record({
  type: fc.constantFrom(
    "offline",
    "online",
    "fail",
    "fail",
    "loseAnswer",
    "hold",
    "release",
    "restart",
    "wait",
    "wait",
  ),
});
const schedule = fc.array(fc.oneof({ weight: 3, arbitrary: write }, { weight: 2, arbitrary: event }), {
  maxLength: 30,
});

/** A device and all that was ever written on it, over restarts. */
class Device extends SitesWorld<ServerApp> {
  readonly made = new Map<string, Write>();
  /** Those that were told to have failed in one step. */
  readonly failedTogether: string[][] = [];
  #known = new Set<string>();
  now;

  constructor(seed: number) {
    const write: SiteHooks["write"] = (_ctx, { after }) => after?.name.startsWith("forbidden") !== true;
    super(
      createServerApp(() => ({ write })),
      { seed, keepsErrors: true },
    );
    this.now = this.#open(new TestProfile());
  }

  async restart(): Promise<void> {
    const { replica, profile } = this.now;
    await replica.transactions.list().at(-1)?.durable;
    this.now.kill();
    this.now = this.#open(profile);
    await this.now.replica.ready;
  }

  write(change: Write): void {
    const { replica, col } = this.now;
    const { id } = replica.transact(
      () => {
        for (const each of change.documents)
          col.update(each, (draft) => {
            draft.visits.increment();
            if (change.isForbidden) draft.name = `forbidden ${this.made.size}`;
          });
      },
      { strategy: change.strategy },
    );
    this.made.set(id, change);
  }

  #open(profile: TestProfile) {
    // Whether the server works is not to be what decides here.
    const overrides = { sites: { retry: { classify: () => "retry" as const } } };
    const tab = this.open({ profile, scopes: ["DE"], overrides });
    const { transactions } = tab.replica;
    transactions.subscribe(() => {
      if (tab === this.now) this.#note(transactions.list({ state: "failed" }));
    });
    return tab;
  }

  #note(failed: readonly Transaction[]): void {
    const fresh = failed.map(({ id }) => id).filter((id) => !this.#known.has(id));
    for (const id of fresh) this.#known.add(id);
    if (fresh.length > 0) this.failedTogether.push(fresh);
  }
}

/** The earlier transactions that an ordered one stands on, one step. */
function isBehind(later: Write, earlier: Write): boolean {
  return later.strategy === "ordered" && later.documents.some((each) => earlier.documents.includes(each));
}

test("I-4, I-5: parallel transactions are applied or fail for their own reason; ordered ones fail with what they stand on, together", async () => {
  await fc.assert(
    fc.asyncProperty(schedule, fc.nat(), async (steps, seed) => {
      const device = new Device(seed);
      await device.seed(...ids.map((id) => ({ id, name: id, country: "DE" })));
      await device.waitUntil(() => device.now.col.size === ids.length);
      for (const step of steps) {
        const { client } = device.now;
        if (step.type === "write") device.write(step);
        else if (step.type === "fail") client.failNextMutation(new Error("Server Error"));
        else if (isConnectionEvent(step.type)) connectionEvents[step.type](client);
        else if (step.type === "restart") await device.restart();
        else await device.runTimers(1);
      }
      await device.connectAll([device.now]);
      const failed = new Map(device.now.replica.transactions.list().map((each) => [each.id, each]));
      const made = [...device.made];
      for (const [index, [id, change]] of made.entries()) {
        const { error } = failed.get(id) ?? {};
        const cause = error?.transactionId;
        if (change.strategy === "parallel")
          expect([cause, failed.has(id)]).toEqual([undefined, change.isForbidden]);
        else if (cause === undefined) expect(failed.has(id)).toBe(change.isForbidden);
        else {
          const reason = made.findIndex(([other]) => other === cause);
          expect(reason).toBeLessThan(index);
          expect(made[reason]?.[1].isForbidden).toBe(true);
          expect(device.failedTogether.some((step) => step.includes(id) && step.includes(cause))).toBe(true);
          const stands = made
            .slice(reason, index)
            .some(([other, each]) => failed.has(other) && isBehind(change, each));
          expect(stands).toBe(true);
        }
      }
      const visits = Object.fromEntries(
        ids.map((id) => [
          id,
          made.filter(([tx, { documents }]) => !failed.has(tx) && documents.includes(id)).length,
        ]),
      );
      const rows = Object.fromEntries((await device.app.rows()).map((row) => [row.id, row.visits]));
      const shown = Object.fromEntries([...device.now.col.rows()].map((row) => [row.id, row.visits]));
      expect([rows, shown]).toEqual([visits, visits]);
    }),
    { seed: 3, numRuns },
  );
}, 300_000);
