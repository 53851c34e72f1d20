/// <reference types="node" />
import { afterAll, beforeAll, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { conflictsBetween, recordMutation, type MutationRecord } from "../testing/conflictAuditor.js";
import { notes, sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";

/** One of two who do something at the same moment, each with a client and a tab of their own. */
interface Actor {
  readonly app: ServerApp;
  readonly device: PushDevice;
  readonly tab: SessionTab;
  /** Of whom the name tells apart what both do. */
  readonly name: string;
  component(file: string, name: string, args?: object): Promise<unknown>;
}

const x = { collection: "sites", document: "x" };
type Run = () => Promise<unknown>;
/** Everything that writes, on the document `x` where it concerns one. */
const contenders: Record<string, (actor: Actor) => Run | Promise<Run>> = {
  "push: change x":
    ({ device, name }) =>
    () =>
      device.send(device.set("x", "name", name)),
  "push: change z":
    ({ device, name }) =>
    () =>
      device.send(device.set("z", "name", name)),
  "push: insert":
    ({ device, name }) =>
    () =>
      device.send(device.insert(`by ${name}`)),
  "push: delete x":
    ({ device }) =>
    () =>
      device.send(device.change("x", [{ type: "delete" }])),
  "push: move x":
    ({ device }) =>
    () =>
      device.send(device.set("x", "country", "FR")),
  "push: move z":
    ({ device }) =>
    () =>
      device.send(device.set("z", "country", "FR")),
  "push: text of x":
    ({ device }) =>
    () =>
      device.send(device.type("x", (log) => log.insert(0, "t"))),
  "push: a guarded n":
    ({ device, name }) =>
    () =>
      device.send(device.change("n", [{ type: "set", field: "text", value: name }], "notes")),
  "writer: update x":
    ({ app, name }) =>
    () =>
      app.writer((writer) => writer.update("x", (draft) => void (draft.name = name))),
  "writer: insertMany":
    ({ app, name }) =>
    () =>
      app.writer((writer) =>
        writer.insertMany([1, 2].map((n) => ({ id: `${name} ${n}`, name, country: "DE" }))),
      ),
  "session: join":
    ({ app, name }) =>
    () =>
      new SessionTab(app, app.t, `new ${name}`, `client of ${name}`).join(),
  "session: heartbeat":
    ({ tab }) =>
    () =>
      tab.beat(),
  "session: presence in x":
    ({ tab }) =>
    () =>
      tab.show("x", 2),
  "session: leave":
    ({ tab }) =>
    () =>
      tab.leave(),
  "sessions: sweep": async ({ app, component }) => {
    const [sleeper] = (await app.tables())["sleepers"] as { _id: string }[];
    return () => component("sweepSessions", "wake", { sleeper: sleeper!._id, from: 0 });
  },
  "sessions: expire": ({ tab, component }) => {
    vi.setSystemTime(Date.now() + 10 * limits.sessionDeadlineMs);
    return () => component("sweepSessions", "expire", { session: tab.session });
  },
  "follower: follow": async ({ app, component }) => {
    const functions = app.component as unknown as Record<string, Record<string, never>>;
    const args = { name: "sites", cursor: null } as never;
    // As batch-worker calls it: on a stale snapshot.
    const next = await app.t.query((ctx) => ctx.runQuery(functions["follower"]!["next"]!, args));
    return () => component("follower", "follow", (next as { batch: object }).batch);
  },
  "follower: wake":
    ({ component }) =>
    () =>
      component("follower", "wake", { collection: "sites" }),
  "compaction of x":
    ({ component }) =>
    () =>
      component("compact", "compact", x),
  "compaction of a text of x":
    ({ component }) =>
    () =>
      component("compact", "compact", { ...x, part: "log" }),
  "compaction: enqueue":
    ({ component }) =>
    () =>
      component("compact", "enqueue", { documents: [{ ...x, part: "" }] }),
  "dropping a text of x":
    ({ component }) =>
    () =>
      component("parts", "drop", { ...x, part: "log", upTo: 2n ** 62n }),
  "cron: sweep":
    ({ component }) =>
    () =>
      component("sweep", "sweep"),
  "cron: lost compactions":
    ({ component }) =>
    () =>
      component("sweep", "compactions"),
  "cron: prune leaves":
    ({ component }) =>
    () =>
      component("leaves", "prune"),
  "cron: retire clients":
    ({ component }) =>
    () =>
      component("retire", "clients", { after: 0 }),
  "cron: retire receipts":
    ({ component }) =>
    () =>
      component("retire", "receipts", { after: "" }),
  "admin: purge x":
    ({ app }) =>
    () =>
      app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, "x")),
  "admin: new epoch":
    ({ app }) =>
    () =>
      app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(sites)),
};
const names = Object.keys(contenders);

/** The same beginning for everybody: so what two of them do begins at one snapshot. */
async function begin(name: string): Promise<Actor> {
  const app = createServerApp(undefined, { hasFollowers: true });
  const [a, b] = [new PushDevice(app, 11), new PushDevice(app, 22)];
  const tabs = [new SessionTab(app, app.t, "a", "c"), new SessionTab(app, app.t, "b", "d")];
  for (const tab of tabs) await tab.join();
  for (const tab of tabs) await tab.show("x", 1);
  for (const device of [a, b]) await device.send(device.insert(`of ${device.client}`));
  await a.send(a.insert("x"), a.insert("z"));
  await a.send(a.change("n", [{ type: "insert", fields: { text: "n" } }], "notes"));
  await app.t.mutation((ctx) =>
    app.replicate.writer(ctx, sites).insert({ id: "w", name: "w", country: "DE" }),
  );
  await app.t.mutation((ctx) => app.replicate.writer(ctx, notes).insert({ id: "m", text: "m" }));
  await b.pull();
  for (let n = 0; n < 2; n++) await a.send(a.type("x", (log) => log.insert(0, "text ")));
  await b.pull();
  vi.setSystemTime(Date.now() + limits.heartbeatMs);
  const component = (file: string, called: string, args: object = {}) =>
    app.t.mutation((ctx) =>
      ctx.runMutation(
        (app.component as unknown as Record<string, Record<string, never>>)[file]![called]!,
        args as never,
      ),
    );
  const isFirst = name === "first";
  return { app, device: isFirst ? a : b, tab: tabs[isFirst ? 0 : 1]!, name, component };
}

const records = new Map<string, MutationRecord>();
beforeAll(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  for (const contender of names)
    for (const actor of ["first", "second"]) {
      vi.setSystemTime(Date.UTC(2026, 0, 1));
      const run = await contenders[contender]!(await begin(actor));
      records.set(`${contender} ${actor}`, await recordMutation(run));
    }
}, 120_000);
afterAll(() => void vi.useRealTimers());

/** In which tables two of them may meet, sorted; empty: never. */
function meet(one: string, other: string): string[] {
  const [a, b] = [records.get(`${one} first`)!, records.get(`${other} second`)!];
  const met = conflictsBetween(a, b).map((conflict) => conflict.slice(0, conflict.indexOf("(")));
  return [...new Set(met)].sort();
}

test("dbg", () => {
  for (const [i, one] of names.entries())
    for (const other of names.slice(i)) {
      const met = meet(one, other);
      if (met.length) console.log(`${one} | ${other} | ${met.join(", ")}`);
    }
  for (const n of names)
    console.log(n, records.get(`${n} first`)!.writes.length, records.get(`${n} first`)!.reads.length);
});
