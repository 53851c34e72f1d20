import fc from "fast-check";
import { expect, test } from "vitest";
import { projectRow } from "../collections/index.js";
import { openDocument } from "../shared/document.js";
import { readMain } from "../shared/mainDocument.js";
import type { Operation } from "../shared/operations.js";
import type { PushOperation } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { addingOrRemoving, incrementing, setting } from "../testing/setUp/arbitraryOperations.js";

const ids = ["a", "b", "c"];
const id = fc.constantFrom(...ids);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  setting("name", fc.string()),
  setting("note", fc.option(fc.string(), { nil: undefined })),
  incrementing("visits"),
  addingOrRemoving("tags", fc.constantFrom("x", "y")),
);
const insert: Operation = { type: "insert", fields: { name: "n", country: "DE", status: "open" } };
const change = fc.oneof(
  { weight: 4, arbitrary: fc.array(operation, { minLength: 1, maxLength: 4 }) },
  { weight: 2, arbitrary: fc.constant([insert]) },
  { weight: 1, arbitrary: fc.constant<Operation[]>([{ type: "delete" }]) },
  { weight: 1, arbitrary: fc.constant<Operation[]>([{ type: "delete" }, insert]) },
);
const device = fc.nat({ max: 2 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("push" as const),
      device,
      changes: fc.dictionary(id, change, { minKeys: 1 }),
      isOne: fc.boolean(),
      /** Whether one of them is not sent, so that what follows it is a gap. */
      isLost: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pull" as const), device }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      edits: fc.array(fc.tuple(id, fc.nat({ max: 3 })), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const), id }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The rows of a document's state as the component holds it, whatever the app's table says. */
async function mergedRows(app: ServerApp) {
  const documents = ids.map((document) => ({ collection: "sites", document, part: "" }));
  const { states } = await app.t.query((ctx) => ctx.runQuery(app.component.states.load, { documents }));
  return states.flatMap(({ blobs }, index) => {
    const state = readMain(openDocument(blobs.map((blob) => new Uint8Array(blob))));
    return projectRow(sites, ids[index]!, state) ?? [];
  });
}

async function play(app: ServerApp, devices: PushDevice[], each: Step): Promise<void> {
  if (each.do === "pull") return devices[each.device]!.pull();
  if (each.do === "compact")
    return void (await app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document: each.id }),
    ));
  if (each.do === "write") return app.writer((writer) => write(writer, each.edits));
  const author = devices[each.device]!;
  const operations = Object.entries(each.changes).flatMap(([document, operations]) => {
    try {
      return author.change(document, operations);
    } catch {
      return []; // changes nothing
    }
  });
  if (each.isLost && Object.keys(each.changes).length > 1) operations.shift();
  const group = (some: PushOperation[]) => author.transaction(some);
  const results = await author.push(each.isOne ? [group(operations)] : operations.map((one) => group([one])));
  // As a client does: what was not applied is thrown away, and its author's clocks with it.
  if (results.some(({ status }) => status !== "applied")) {
    const fresh = new PushDevice(app, author.author + 10, author.client);
    await fresh.pull();
    devices[each.device] = fresh;
  }
}

/** Several writes in one mutation, also at once and to one document. */
async function write(
  writer: Parameters<Parameters<ServerApp["writer"]>[0]>[0],
  edits: readonly (readonly [string, number])[],
): Promise<void> {
  await Promise.allSettled(
    edits.map(async ([document, kind]) => {
      if (kind === 0) await writer.insert({ id: document, name: "server", country: "DE", visits: 3 });
      else if (kind === 1) await writer.delete(document);
      else
        await writer.update(document, (draft) => {
          draft.visits.increment();
          draft.tags.add("server");
          draft.note = `${draft.note ?? ""}!`;
        });
    }),
  );
}

test("I-9: after every commit of any history the app's row is the projection of the component's merged state", async () => {
  let applied = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const app = createServerApp();
      const devices = [11, 12, 13].map((author) => new PushDevice(app, author));
      for (const each of steps) {
        await play(app, devices, each);
        const rows = (await app.rows()).map(({ _id, ...row }) => row);
        expect(rows).toEqual(await mergedRows(app));
        applied += rows.length;
      }
    }),
    { seed: 7, numRuns: Number(process.env["NUM_RUNS"] ?? 60) },
  );
  expect(applied).toBeGreaterThan(100); // the histories do hold documents
}, 120_000);
