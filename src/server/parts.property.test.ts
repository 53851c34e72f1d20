import { assert, asyncProperty, array, constantFrom, nat, oneof, record, type Arbitrary } from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { applyBlob, hasPending, openDocument } from "../shared/document.js";
import { plainText } from "../shared/partDocument.js";
import { startCursor, startOfPart, type PushOperation, type StreamEntry } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

// Small pages and small bites: compaction takes several steps.
vi.mock("../shared/limits.js", async (original) => {
  const { limits } = await original<typeof import("../shared/limits.js")>();
  return {
    limits: {
      ...limits,
      pageEntries: 3,
      partDeltas: 4,
      compactDeltas: 3,
      compactInPlaceDeltas: 3,
      droppedRows: 2,
    },
  };
});

const numRuns = Number(process.env["NUM_RUNS"] ?? 30);
beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }));
afterEach(() => vi.useRealTimers());

type Step =
  | { type: "type" | "erase" | "push" | "pull"; device: number; at: number }
  | { type: "move"; country: string }
  | { type: "compact" | "reinsert" | "purge" | "follow" | "restart" }
  | { type: "pass"; seconds: number };
const countries = ["DE", "FR", "IT"];
const steps: Arbitrary<Step> = oneof(
  {
    weight: 12,
    arbitrary: record({
      type: constantFrom("type", "type", "erase", "push", "push", "pull") as Arbitrary<"type">,
      device: nat(2),
      at: nat(50),
    }),
  },
  {
    weight: 1,
    arbitrary: record({ type: constantFrom("move" as const), country: constantFrom(...countries) }),
  },
  {
    weight: 4,
    arbitrary: record({
      type: constantFrom(
        "compact",
        "compact",
        "follow",
        "follow",
        "reinsert",
        "purge",
        "restart",
      ) as Arbitrary<"compact">,
    }),
  },
  { weight: 2, arbitrary: record({ type: constantFrom("pass" as const), seconds: nat(90) }) },
);

/** One text in the lives of its document, typed by three people, beside what the server should hold of it. */
class History {
  readonly #app: ServerApp = createServerApp();
  readonly #owner = new PushDevice(this.#app, 1);
  #typists: { device: PushDevice; queue: PushOperation[] }[] = [];
  /** Every update that was applied, in order, uncompacted. */
  #applied: Uint8Array[] = [];
  /** Positions that were handed out, with what had been applied by then. */
  #positions: { cursor: bigint; held: number }[] = [{ cursor: startOfPart, held: 0 }];
  #life = 0;
  #isPurged = false;
  #authors = 100;
  #country = "DE";

  get #part(): string {
    return this.#life === 0 ? "log" : `log\0${this.#life}`;
  }

  async begin(): Promise<void> {
    await this.#owner.send(this.#owner.insert("x"));
    this.#bring();
  }

  async run(step: Step): Promise<void> {
    switch (step.type) {
      case "type":
      case "erase":
        return this.#type(step);
      case "push":
        return this.#push(step.device);
      case "pull":
        await this.#typists[step.device]!.device.pullPart("x", this.#part);
        return;
      case "move":
        if (step.country === this.#country) return;
        this.#country = step.country;
        await this.#owner.send(this.#owner.set("x", "country", step.country));
        return;
      case "compact": {
        const { cursor } = await this.#end();
        await this.#call("compact", "compact", { ...place, part: this.#part });
        // Who has read all of it has nothing to read again.
        expect((await this.#page(cursor)).entries).toEqual([]);
        return;
      }
      case "reinsert":
        await this.#owner.send(this.#owner.change("x", [{ type: "delete" }]));
        await this.#owner.send(this.#owner.insert("x", { country: this.#country }));
        this.#life += 1;
        this.#bring();
        return;
      case "purge":
        await this.#app.t.mutation((ctx) => this.#app.replicate.admin(ctx).purge(sites, "x"));
        this.#owner.forget("x");
        await this.#owner.send(this.#owner.insert("x", { country: this.#country }));
        this.#isPurged = true;
        this.#life = 0;
        // What is dropped in the background is: a text that is typed before that is another.
        await this.settle();
        this.#bring();
        return;
      case "follow":
        await this.follow();
        return;
      case "restart":
        this.#typists[0] = { device: new PushDevice(this.#app, this.#authors++), queue: [] };
        return;
      case "pass":
        vi.setSystemTime(Date.now() + step.seconds * 1000);
    }
  }

  /** Whatever is scheduled is done, and the follower has come to the end. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 2;) {
      await vi.advanceTimersByTimeAsync(10_000);
      await this.#app.t.finishInProgressScheduledFunctions();
      idle = (await this.follow()) ? 0 : idle + 1;
    }
  }

  async follow(): Promise<boolean> {
    const args = { name: "sites", cursor: null };
    const next = (await this.#app.t.query((ctx) =>
      ctx.runQuery(this.#component["follower"]!["next"]!, args as never),
    )) as { kind: string; batch: object };
    if (next.kind !== "work") return false;
    await this.#call("follower", "follow", next.batch);
    return true;
  }

  /** From every position that was ever handed out one comes to the same text as without compaction (I-10, I-11). */
  async check(): Promise<void> {
    const expected = this.#textOf(this.#applied);
    for (const { cursor, held } of this.#positions) {
      const doc = openDocument(this.#applied.slice(0, held));
      let position = cursor;
      for (let done = false; !done;) {
        const page = await this.#page(position);
        for (const { bytes, ts } of page.entries) {
          expect(ts > position).toBe(true);
          applyBlob(doc, new Uint8Array(bytes));
        }
        [position, done] = [page.cursor, page.done];
      }
      expect(plainText(doc)).toBe(expected);
      expect(hasPending(doc)).toBe(hasPending(openDocument(this.#applied)));
    }
  }

  /** What is derived from the text, and nothing of any other (I-12). */
  async checkDerived(): Promise<void> {
    const expected = this.#textOf(this.#applied);
    expect(await this.#app.t.query((ctx) => this.#app.replicate.text(ctx, sites, "x", "log"))).toBe(expected);
    for (const scope of countries) {
      const told = (await this.#pull(scope)).filter((entry) => entry.type === "part");
      const isHere = scope === this.#country && this.#applied.length > 0;
      expect(told).toMatchObject(
        isHere ? [{ document: "x", part: this.#part, preview: expected.slice(0, 140) }] : [],
      );
    }
    const tables = (await this.#app.tables()) as Record<string, { part?: string }[]>;
    for (const name of ["deltas", "snapshots", "heads", "texts"])
      for (const { part = "" } of tables[name]!) expect(["", this.#part]).toContain(part);
  }

  #type({ type, device, at }: Extract<Step, { device: number }>): void {
    const typist = this.#typists[device]!;
    const doc = typist.device.doc(`x#${this.#part}`);
    const length = plainText(doc).length;
    if (type === "erase" && length === 0) return;
    const operation = typist.device.type(
      "x",
      (text) => {
        if (type === "erase") text.delete(at % length, 1);
        else text.insert(at % (length + 1), String.fromCharCode(97 + (at % 26)));
      },
      this.#part,
    );
    typist.queue.push(operation);
  }

  /** One update after the other, as a push takes one of a part. */
  async #push(index: number): Promise<void> {
    const { device, queue } = this.#typists[index]!;
    for (const operation of queue.splice(0)) {
      expect(await device.push([device.transaction([operation])])).toMatchObject([{ status: "applied" }]);
      this.#applied.push(new Uint8Array(operation.bytes));
    }
    const { cursor } = await this.#end();
    this.#positions.push({ cursor, held: this.#applied.length });
  }

  async #pull(scope: string): Promise<StreamEntry[]> {
    const entries: StreamEntry[] = [];
    for (let [cursor, done] = [startCursor, false]; !done;) {
      const page = await this.#app.pull({ collection: "sites", scope, cursor });
      if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
      entries.push(...page.entries);
      [cursor, done] = [page.cursor, page.done];
    }
    return entries;
  }

  async #end(): Promise<{ cursor: bigint }> {
    let page = await this.#page(startOfPart);
    while (!page.done) page = await this.#page(page.cursor);
    return page;
  }

  async #page(cursor: bigint) {
    const page = await this.#app.t.query(this.#app.api.pullPart!, { ...place, part: this.#part, cursor });
    if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
    return page;
  }

  /** Everybody begins with the text of this life. */
  #bring(): void {
    this.#typists = [0, 1, 2].map(() => ({ device: new PushDevice(this.#app, this.#authors++), queue: [] }));
    this.#applied = [];
    this.#positions = [{ cursor: startOfPart, held: 0 }];
  }

  #textOf(updates: readonly Uint8Array[]): string {
    return plainText(openDocument(updates));
  }

  get #component() {
    return this.#app.component as unknown as Record<string, Record<string, never>>;
  }

  #call(file: string, name: string, args: object) {
    return this.#app.t.mutation((ctx) => ctx.runMutation(this.#component[file]![name]!, args as never));
  }
}
const place = { collection: "sites", document: "x" };

test(
  "I-10, I-11, I-12: however a text is typed, compacted, moved, deleted and purged, each position leads to the same text, and only that is told of",
  async () => {
    await assert(
      asyncProperty(array(steps, { minLength: 5, maxLength: 40 }), async (script) => {
        const history = new History();
        await history.begin();
        for (const step of script) await history.run(step);
        await history.check();
        await history.settle();
        await history.check();
        await history.checkDerived();
      }),
      { numRuns, seed: 20261121 },
    );
  },
  numRuns * 2000,
);
