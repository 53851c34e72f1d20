// I-8, I-10, I-11, I-12 where documents move: readers of any scopes, at any pace, against the app's rows.
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyBlob, openDocument } from "../shared/document.js";
import { readMain } from "../shared/mainDocument.js";
import { isStateEntry, startCursor, type Cursor } from "../shared/wire.js";
import { PushDevice } from "../testing/pushDevice.js";
import { sites } from "../testing/fieldApp.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

const scopes = ["DE", "FR", "IT"];
const ids = ["a", "b", "c"];

/** Holds what it has read, each document where its newest entry stood, as a client does. */
class Reader {
  readonly held = new Map<string, { doc: ReturnType<typeof openDocument>; scope: string; ts: bigint }>();
  readonly #positions = new Map<string, { cursor: Cursor; horizon?: bigint }>();
  readonly #app: ServerApp;
  readonly scopes: readonly string[];

  constructor(app: ServerApp, own: readonly string[]) {
    this.#app = app;
    this.scopes = own;
  }

  async pull(scope: string): Promise<boolean> {
    const { cursor, horizon } = this.#positions.get(scope) ?? { cursor: startCursor };
    const result = await this.#app.pull({
      collection: "sites",
      scope,
      cursor,
      ...(horizon === undefined ? {} : { horizon }),
    });
    if (result.type !== "page") throw new Error(`Expected a page, got ${result.type}.`);
    for (const entry of result.entries) {
      const { document, ts } = entry;
      const known = this.held.get(document);
      if (entry.type === "leave") {
        if (known !== undefined && known.scope === scope && known.ts <= ts) this.held.delete(document);
        continue;
      }
      if (!isStateEntry(entry)) continue;
      const doc = known?.doc ?? openDocument([]);
      applyBlob(doc, new Uint8Array(entry.bytes));
      const isNewer = known === undefined || known.ts <= ts;
      this.held.set(document, isNewer ? { doc, scope, ts } : { ...known, doc });
    }
    const behind = result.horizon === undefined ? {} : { horizon: result.horizon };
    this.#positions.set(scope, { cursor: result.cursor, ...behind });
    return result.done;
  }

  async catchUp(): Promise<void> {
    for (const scope of this.scopes) while (!(await this.pull(scope)));
  }

  rows() {
    return [...this.held]
      .map(([id, { doc }]) => ({ id, state: readMain(doc) }))
      .filter(({ state }) => state.existence === "present")
      .map(({ id, state }) => ({
        id,
        country: state.registers.get("country"),
        name: state.registers.get("name"),
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

const id = fc.constantFrom(...ids);
const step = fc.oneof(
  fc.record({ type: fc.constant("insert" as const), id, scope: fc.constantFrom(...scopes) }),
  {
    arbitrary: fc.record({ type: fc.constant("move" as const), id, scope: fc.constantFrom(...scopes) }),
    weight: 3,
  },
  fc.record({ type: fc.constant("name" as const), id, name: fc.string({ maxLength: 3 }) }),
  fc.record({ type: fc.constant("delete" as const), id }),
  fc.record({ type: fc.constant("compact" as const), id }),
  fc.record({ type: fc.constant("purge" as const), id }),
  {
    arbitrary: fc.record({
      type: fc.constant("pull" as const),
      reader: fc.nat({ max: 2 }),
      scope: fc.constantFrom(...scopes),
    }),
    weight: 4,
  },
);

test("every reader of a scope ends with exactly its documents, wherever they have been", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const app = createServerApp(() => ({ write: () => true, read: () => true }));
      const device = new PushDevice(app, 11);
      const readers = [new Reader(app, ["DE"]), new Reader(app, ["DE", "FR"]), new Reader(app, scopes)];
      for (const each of steps) {
        if (each.type === "insert") {
          const isThere = (await app.rows()).some((row) => row["id"] === each.id);
          if (!isThere) await device.send(device.insert(each.id, { country: each.scope }));
        } else if (each.type === "compact")
          await app.t.mutation((ctx) =>
            ctx.runMutation(app.component.compact.compact, { collection: "sites", document: each.id }),
          );
        else if (each.type === "purge") {
          await app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, each.id));
          device.forget(each.id);
        } else if (each.type === "pull") {
          const reader = readers[each.reader]!;
          if (reader.scopes.includes(each.scope)) await reader.pull(each.scope);
        } else if ((await app.rows()).some((row) => row["id"] === each.id)) {
          const operation =
            each.type === "delete"
              ? ({ type: "delete" } as const)
              : each.type === "move"
                ? ({ type: "set", field: "country", value: each.scope } as const)
                : ({ type: "set", field: "name", value: each.name } as const);
          const change = tryChange(device, each.id, operation);
          if (change !== null) expect(await device.send(change)).toMatchObject([{ status: "applied" }]);
        }
      }
      const rows = await app.rows();
      for (const reader of readers) {
        await reader.catchUp();
        const expected = rows
          .filter((row) => reader.scopes.includes(row["country"] as string))
          .map((row) => ({ id: row["id"], country: row["country"], name: row["name"] }));
        expect(reader.rows()).toEqual(expected);
      }
    }),
    { numRuns: Number(process.env["NUM_RUNS"] ?? 60), seed: 12 },
  );
}, 300_000);

function tryChange(
  device: PushDevice,
  document: string,
  operation: Parameters<PushDevice["change"]>[1][number],
) {
  try {
    return device.change(document, [operation]);
  } catch {
    return null; // it changes nothing
  }
}
