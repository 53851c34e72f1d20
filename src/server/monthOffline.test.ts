import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { applyBlob, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { isStateEntry, startCursor, type Cursor, type PushOperation } from "../shared/wire.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

const dayMs = 24 * 60 * 60 * 1000;
const scopes = ["DE", "FR"];
const ids = Array.from({ length: 12 }, (_, n) => `s${n}`);

let app: ServerApp;
let office: PushDevice;
beforeEach(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  app = createServerApp();
  office = new PushDevice(app, 11);
  await office.send(...ids.map((id) => office.insert(id)));
});
afterEach(() => vi.useRealTimers());

const call = (file: string, name: string, args: object = {}) =>
  app.t.mutation((ctx) =>
    ctx.runMutation(
      (app.component as unknown as Record<string, Record<string, never>>)[file]![name]!,
      args as never,
    ),
  );

/** What background work does in a day, all of it. */
async function night(): Promise<void> {
  for (const document of ids) {
    await call("compact", "compact", { collection: "sites", document });
    await call("compact", "compact", { collection: "sites", document, part: "log" });
  }
  await call("leaves", "prune");
  await call("retire", "receipts", { after: "" });
  await call("retire", "clients", { after: 0 });
}

/** A day of work in the office: changes, moves to and fro, deletions, new ones under old ids, text. */
async function day(n: number): Promise<void> {
  const [edited, moved, deleted, typed] = [0, 3, 6, 9].map((offset) => ids[(n + offset) % ids.length]!);
  const elsewhere = (id: string) =>
    readMain(office.doc(id)).registers.get("country") === "DE" ? "FR" : "DE";
  const isThere = (id: string) => readMain(office.doc(id)).existence === "present";
  const send = async (id: string, ...operations: PushOperation[]) => {
    if (operations.length > 0)
      expect(await office.send(...operations), id).toMatchObject([{ status: "applied" }]);
  };
  if (isThere(edited!)) await send(edited!, office.set(edited!, "name", `day ${n}`));
  if (isThere(moved!)) await send(moved!, office.set(moved!, "country", elsewhere(moved!)));
  if (n % 3 === 0)
    await send(
      deleted!,
      isThere(deleted!) ? office.change(deleted!, [{ type: "delete" }]) : office.insert(deleted!),
    );
  const life = readMain(office.doc(typed!)).incarnation;
  if (isThere(typed!))
    await send(
      typed!,
      office.type(typed!, (log) => log.insert(0, `${n} `), life === 0 ? "log" : `log\0${life}`),
    );
}

/** A client that reads both scopes. */
class Reader {
  readonly #held = new Map<string, { doc: ReturnType<typeof openDocument>; scope: string; ts: bigint }>();
  readonly #cursors = new Map<string, Cursor>();

  /** @returns how many times it was told to begin anew */
  async pull(): Promise<number> {
    const resets = 0;
    for (const scope of scopes)
      for (let done = false; !done;) {
        const cursor = this.#cursors.get(scope) ?? startCursor;
        const page = await app.pull({ collection: "sites", scope, cursor });
        if (page.type !== "page") return resets + 1;
        for (const entry of page.entries) this.#take(scope, entry);
        this.#cursors.set(scope, page.cursor);
        done = page.done;
      }
    return resets;
  }

  #take(scope: string, entry: Parameters<typeof isStateEntry>[0]): void {
    const { document, ts } = entry;
    const held = this.#held.get(document);
    if (entry.type === "leave" && held?.scope === scope && held.ts <= ts) this.#held.delete(document);
    if (!isStateEntry(entry)) return;
    const doc = held?.doc ?? openDocument([]);
    applyBlob(doc, new Uint8Array(entry.bytes));
    const isNewer = held === undefined || held.ts <= ts;
    this.#held.set(document, isNewer ? { doc, scope, ts } : { ...held, doc });
  }

  states() {
    return [...this.#held]
      .map(([id, { doc, scope }]) => ({ id, scope, ...readMain(doc) }))
      .filter(({ existence }) => existence === "present")
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

test("a client that was offline for thirty days catches up exactly, and all that it did meanwhile arrives, once", async () => {
  const away = new Reader();
  const field = new PushDevice(app, 22);
  await field.pull();
  await away.pull();
  // Sent on the first day; its answer is lost, and it is sent again a month later.
  const first = field.transaction([field.change("s1", [{ type: "increment", field: "visits", by: 1 }])]);
  expect(await field.push([first])).toMatchObject([{ status: "applied" }]);
  const edits = [1, 2, 3].map((by) =>
    field.transaction([field.change(`s${by}`, [{ type: "increment", field: "visits", by }])]),
  );
  for (let n = 0; n < 30; n++) {
    await day(n);
    vi.setSystemTime(Date.now() + dayMs - 60_000);
    await night();
  }
  expect(await field.push([first])).toMatchObject([{ status: "duplicate" }]);
  for (const edit of edits) {
    const [result] = await field.push([edit]);
    const { document } = edit.operations[0]!;
    const isSameLife =
      readMain(office.doc(document)).incarnation === 0 &&
      readMain(office.doc(document)).existence === "present";
    expect(result).toMatchObject({ status: isSameLife ? "applied" : "gap" });
  }
  const fresh = new Reader();
  expect([await away.pull(), await fresh.pull()]).toEqual([0, 0]);
  expect(away.states()).toEqual(fresh.states());
  const rows = await app.rows();
  expect(away.states().map(({ id }) => id)).toEqual(rows.map((row) => row["id"] as string).sort());
  const visits = rows.find((row) => row["id"] === "s1")?.["visits"];
  if (visits !== undefined) expect(visits).toBe(2);
});

test("who was away for longer than leaves are kept is told to begin anew, and has everything then", async () => {
  const away = new Reader();
  await away.pull();
  await office.send(office.set("s0", "country", "FR"));
  vi.setSystemTime(Date.now() + limits.leavesKeptMs + dayMs);
  await night();
  expect(await away.pull()).toBe(1);
  const anew = new Reader();
  expect(await anew.pull()).toBe(0);
  expect(anew.states().map(({ id }) => id)).toEqual([...ids].sort());
});
