// I-17: whatever happens to documents, every time that is kept shows exactly what was there at that time, and restoring it
// brings exactly that back, as a change that others' merge with.
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Operation } from "../shared/operations.js";
import type { PushOperation } from "../shared/wire.js";
import { createHistoryApp, type HistoryApp } from "../testing/historyApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { sites } from "../testing/fieldApp.js";
import { addingOrRemoving, incrementing, setting } from "../testing/setUp/arbitraryOperations.js";

/** So low that histories of some steps go beyond them. */
vi.mock("../shared/limits.js", async (original) => {
  const { limits } = await original<typeof import("../shared/limits.js")>();
  return { limits: { ...limits, archiveBaseDeltas: 4, foldedArchives: 2 } };
});
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const [hourMs, dayMs, keepDays] = [60 * 60_000, 24 * 60 * 60_000, 10];
const ids = ["a", "b"];
const id = fc.constantFrom(...ids);
const field = fc.oneof(
  setting("name", fc.string({ maxLength: 4 })),
  setting("note", fc.option(fc.string({ maxLength: 4 }), { nil: undefined })),
  incrementing("visits"),
  addingOrRemoving("tags", fc.constantFrom("x", "y")),
  setting("country", fc.constantFrom("DE", "FR")),
) as fc.Arbitrary<Operation>;
const insert: Operation = { type: "insert", fields: { name: "n", country: "DE", status: "open" } };
const change = fc.oneof(
  { weight: 8, arbitrary: fc.array(field, { minLength: 1, maxLength: 3 }) },
  { weight: 3, arbitrary: fc.constant([insert]) },
  { weight: 1, arbitrary: fc.constant<Operation[]>([{ type: "delete" }]) },
);
const device = fc.nat({ max: 1 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("push" as const), device, id, change }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("offline" as const), device, id, change }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("catchUp" as const), device }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("write" as const), id, times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("compact" as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fold" as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), days: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("restore" as const), id, to: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("purge" as const), id }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type Moment = { at: number; row: object | null };

const seen = { equal: 0, refused: 0, restored: 0, merged: 0, bases: 0, moved: 0 };

/** Lets so much time pass, without running what is scheduled. */
const wait = (ms: number) => vi.setSystemTime(Date.now() + ms);

class Run {
  readonly app: HistoryApp = createHistoryApp({ keepDays }, { read: () => true, write: () => true });
  readonly devices = [11, 12].map((author) => new PushDevice(this.app, author));
  readonly queued: PushOperation[][] = [[], []];
  /** What each document was, at the end of each step; from its purge on only. */
  readonly moments = new Map<string, Moment[]>(ids.map((each) => [each, []]));

  async play(each: Step): Promise<void> {
    if (each.do === "push" || each.do === "offline") {
      const operation = tryChange(this.devices[each.device]!, each.id, each.change);
      if (operation !== null) this.queued[each.device]!.push(operation);
      if (each.do === "push") await this.send(each.device);
    } else if (each.do === "catchUp") {
      await this.send(each.device);
      for (const scope of ["DE", "FR"]) await this.pullAll(each.device, scope);
    } else if (each.do === "write") await this.write(each.id, each.times);
    else if (each.do === "compact") await this.app.compact(each.id);
    else if (each.do === "fold") await this.app.fold(each.id);
    else if (each.do === "wait") wait(each.days * dayMs);
    else if (each.do === "restore") await this.restore(each.id, each.to);
    else if (each.do === "purge") {
      await this.app.t.mutation((ctx) => this.app.replicate.admin(ctx).purge(sites, each.id));
      this.moments.set(each.id, []);
      for (const index of [0, 1]) this.renew(index);
    }
    wait(hourMs);
    for (const document of ids)
      this.moments.get(document)!.push({ at: Date.now(), row: await this.app.row(document) });
    wait(1);
  }

  /** As a client does: what was not applied is thrown away, and its author's clocks with it. */
  async send(index: number): Promise<void> {
    for (const operation of this.queued[index]!.splice(0)) {
      const [result] = await this.devices[index]!.send(operation);
      if (result?.status !== "applied") return this.renew(index);
      seen.merged += 1;
    }
  }

  renew(index: number): void {
    const { author, client } = this.devices[index]!;
    this.devices[index] = new PushDevice(this.app, author + 10, client);
    this.queued[index] = [];
  }

  async pullAll(index: number, scope: string): Promise<void> {
    const fresh = this.devices[index]!;
    const page = await this.app.pull({ collection: "sites", scope, cursor: { ts: 0n, document: "\uffff" } });
    if (page.type !== "page") throw new Error(page.type);
    const { applyBlob } = await import("../shared/document.js");
    for (const entry of page.entries)
      if ("bytes" in entry && entry.bytes !== undefined)
        applyBlob(fresh.doc(entry.document), new Uint8Array(entry.bytes));
  }

  /** Several writes in one mutation, with a move there and back, or to another scope, between them. */
  async write(document: string, times: number): Promise<void> {
    await this.app.writer(async (writer) => {
      if ((await writer.get(document)) === null)
        await writer.insert({ id: document, name: "s", country: "DE" });
      for (let n = 0; n < times; n++)
        await writer.update(document, (draft) => {
          draft.visits.increment();
          draft.country = draft.country === "DE" ? "FR" : "DE";
        });
    });
    seen.moved += 1;
  }

  async restore(document: string, to: number): Promise<void> {
    const moments = this.moments.get(document)!;
    const moment = moments[to % Math.max(1, moments.length)];
    if (moment === undefined) return;
    try {
      await this.app.restore(document, { at: moment.at });
    } catch (error) {
      const { code } = (error as { data: { code: string } }).data;
      expect(code).toMatch(moment.row === null ? /^unknown_/ : /^unknown_version$/);
      expect(moment.row === null || moment.at < Date.now() - keepDays * dayMs).toBe(true);
      return;
    }
    expect(await this.app.row(document)).toEqual(moment.row);
    seen.restored += 1;
  }

  /** Every time that is kept shows what was there; every other is refused, and never shown wrong. */
  async check(): Promise<void> {
    for (const [document, moments] of this.moments)
      for (const { at, row } of moments) {
        const isKept = at >= Date.now() - keepDays * dayMs;
        const found = await this.app
          .versionAt(document, { at })
          .catch((error: { data: { code: string } }) => error.data);
        if ("code" in found && found.code === "unknown_document") {
          expect(row).toBe(null); // it was never inserted
        } else if ("code" in found) {
          expect({ at, isKept, ...found }).toMatchObject({ isKept: false, code: "unknown_version" });
          seen.refused += 1;
        } else {
          expect({ at, found }).toMatchObject({ at, found: { type: "version" } });
          expect("row" in found && found.row).toEqual(row);
          seen.equal += 1;
        }
      }
  }
}

function tryChange(device: PushDevice, document: string, operations: readonly Operation[]) {
  try {
    return device.change(document, operations);
  } catch {
    return null; // it changes nothing
  }
}

test("I-17: in any history with compaction, moves, deletes, purges and folding, every time that is kept is what it was, and is restored exactly", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40, size: "max" }), async (steps) => {
      const run = new Run();
      await run.app.tellHistory();
      await run.devices[0]!.send(run.devices[0]!.insert("a"));
      for (const each of steps) await run.play(each);
      await run.check();
      for (const document of ids) {
        await run.app.compact(document);
        // It ends when it finds nothing more to do; the test runs what it would schedule.
        for (let n = 0; n < 20; n++) await run.app.fold(document);
      }
      await run.check();
      const { archives } = await run.app.tables();
      seen.bases += archives!.filter((row) => (row as { kind: string }).kind === "base").length;
    }),
    { seed: 17, numRuns: Number(process.env["NUM_RUNS"] ?? 40) },
  );
  // The histories do hold what this is about.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
}, 300_000);
