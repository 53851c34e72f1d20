// An export while anything is written: all its pages together, later over earlier, are what the app's rows are.
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "../shared/canonicalJson.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

const scopes = ["DE", "FR"] as const;
const id = fc.constantFrom("a", "b", "c", "d", "e");
const step = fc.oneof(
  fc.record({ type: fc.constant("insert" as const), id, scope: fc.constantFrom(...scopes) }),
  fc.record({ type: fc.constant("move" as const), id, scope: fc.constantFrom(...scopes) }),
  fc.record({ type: fc.constant("increment" as const), id }),
  fc.record({ type: fc.constant("delete" as const), id }),
  fc.record({ type: fc.constant("compact" as const), id }),
  fc.record({ type: fc.constant("purge" as const), id }),
  {
    arbitrary: fc.record({ type: fc.constant("page" as const), limit: fc.integer({ min: 1, max: 3 }) }),
    weight: 4,
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** What an operator's copy of a scope holds. */
class Copy {
  readonly rows = new Map<string, unknown>();
  #cursor: string | null = null;

  constructor(
    readonly app: ServerApp,
    readonly scope: string,
  ) {}

  async page(limit: number): Promise<boolean> {
    const options = { cursor: this.#cursor, limit };
    const next = await this.app.t.query((ctx) =>
      this.app.replicate.admin(ctx).exportScope(sites, this.scope, options),
    );
    expect(next.documents.length + next.removed.length).toBeLessThanOrEqual(limit);
    for (const each of next.documents) this.rows.set(each.id, each.row);
    for (const each of next.removed) this.rows.delete(each);
    this.#cursor = next.cursor;
    return next.isDone;
  }
}

async function perform(app: ServerApp, device: PushDevice, each: Exclude<Step, { type: "page" }>) {
  const { id: document } = each;
  const isThere = (await app.rows()).some((row) => row.id === document);
  if (each.type === "compact")
    return app.t.mutation((ctx) => app.replicate.admin(ctx).compact(sites, document));
  if (each.type === "purge") {
    device.forget(document);
    return app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, document));
  }
  return app.writer(async (writer) => {
    if (each.type === "insert" && !isThere)
      await writer.insert({ id: document, name: "n", country: each.scope, status: "open" });
    if (!isThere) return;
    if (each.type === "delete") await writer.delete(document);
    if (each.type === "move") await writer.update(document, (draft) => void (draft.country = each.scope));
    if (each.type === "increment") await writer.update(document, (draft) => draft.visits.increment());
  });
}

test("I-10, I-11: whatever happens between its pages, an export ends as the scope is then", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const app = createServerApp();
      const device = new PushDevice(app, 11);
      const copies = scopes.map((scope) => new Copy(app, scope));
      for (const each of steps)
        if (each.type === "page") for (const copy of copies) await copy.page(each.limit);
        else await perform(app, device, each);
      for (const copy of copies) while (!(await copy.page(2)));
      const rows = (await app.rows()).map(({ _id, ...row }) => row);
      for (const { scope, rows: held } of copies) {
        const expected = rows.filter(({ country }) => country === scope).map((row) => [row.id, row] as const);
        expect(canonicalJson(Object.fromEntries(held) as never)).toBe(
          canonicalJson(Object.fromEntries(expected) as never),
        );
      }
    }),
    { numRuns: Number(process.env["NUM_RUNS"] ?? 60), seed: 7 },
  );
}, 120_000);
