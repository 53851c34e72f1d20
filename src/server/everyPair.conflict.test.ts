/// <reference types="node" />
import { makeFunctionReference, type FunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { conflictsBetween, recordMutation, type MutationRecord } from "../testing/conflictAuditor.js";
import { notes, sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createHistoryApp, type HistoryApp } from "../testing/historyApp.js";
import { SessionTab } from "../testing/sessionTab.js";

/** One of two who do something at the same moment, each with a client and a tab of their own. */
interface Actor {
  readonly app: HistoryApp;
  readonly device: PushDevice;
  readonly tab: SessionTab;
  /** Of whom the name tells apart what both do. */
  readonly name: string;
  component(file: string, name: string, args?: object): Promise<unknown>;
}

const maintain = makeFunctionReference<"mutation">("replicate:maintain") as unknown as FunctionReference<
  "mutation",
  "internal"
>;
const beginning = Date.UTC(2026, 0, 1);
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
  "history: save a version of x":
    ({ app, name }) =>
    () =>
      app.save("x", name),
  "history: restore x": async ({ app, device }) => {
    const { version } = (await app.save("x", "before")) as { version: string };
    await device.send(device.set("x", "note", "later"));
    return () => app.restore("x", { version });
  },
  "history: fold the archives of x": async ({ app }) => {
    await app.compact("x");
    return () => app.fold("x");
  },
  "history: a large text of x follows": async ({ app, component, device }) => {
    const life = { ...x, field: "log", incarnation: 0, kind: "text" as const, schemaVersion: 1, author: 77 };
    const asked = { ...life, target: { ts: 1n }, replaced: null, at: beginning };
    await app.inComponent(async (ctx) => void (await ctx.db.insert("restores", asked)));
    const restore = ((await app.tables())["restores"] as { _id: string }[]).at(-1)!._id;
    const { bytes } = device.type("x", (log) => log.insert(0, "as it was "));
    return () => component("restores", "append", { restore, bytes });
  },
  "cron: lost restores":
    ({ component }) =>
    () =>
      component("restores", "sweep"),
  "maintain: rows of x and z":
    ({ app }) =>
    () =>
      app.t.mutation(maintain, { collection: "sites", work: { type: "rows", documents: ["x", "z"] } }),
  "import: begin":
    ({ app, name }) =>
    () =>
      app.writer((writer) =>
        writer.import([{ id: `imported by ${name}`, name, country: "DE" }], { maintain }),
      ),
  "import: a chunk": async ({ app, name, component }) => {
    await app.writer((writer) =>
      writer.import([{ id: `imported by ${name}`, name, country: "DE" }], { maintain }),
    );
    const [chunk] = (await app.tables())["importChunks"] as { _id: string }[];
    return () => component("importChunks", "step", { chunk: chunk!._id });
  },
  "admin: compact all":
    ({ app }) =>
    () =>
      app.t.mutation((ctx) => app.replicate.admin(ctx).compact(sites)),
  "admin: retry failed":
    ({ app }) =>
    () =>
      app.t.mutation((ctx) => app.replicate.admin(ctx).retryFailed(sites)),
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
/** These find nothing to do at the beginning; what they read is recorded all the same. */
const idle = [
  "sessions: sweep",
  "cron: sweep",
  "cron: lost compactions",
  "cron: lost restores",
  "cron: retire clients",
  "cron: retire receipts",
  "history: fold the archives of x",
  "maintain: rows of x and z",
  "admin: compact all",
  "admin: retry failed",
];

/** Why two of them may meet: the first section that both belong to. Whoever meets in none makes the test fail. */
const sections: { title: string; why: string; one: RegExp; other: RegExp }[] = [
  {
    title: "Two writes to one document",
    why: "They come one after the other: both write the document's row in the app's table, or its guard. What a restore or a hook read before it wrote is still true then.",
    one: /^(push: (?!insert|text)|writer: update|history: restore|admin: purge)/,
    other: /^(push: (?!insert|text)|writer: update|history: restore|admin: purge|maintain)/,
  },
  {
    title: "A move or a purge, and background work on the same document",
    why: "A move deletes the rows that a compaction replaces, takes along what the follower tells of the document's texts, and writes the leave that those read who must not tell or keep anything of a document where it was.",
    one: /^(push: move|admin: purge)/,
    other: /^(follower|compaction of|dropping|history|cron: prune)/,
  },
  {
    title: "A text, and what drops it",
    why: "Its document was deleted or purged: who types into it is refused, or what was typed is dropped with it.",
    one: /^push: text/,
    other: /^(dropping|admin: purge)/,
  },
  {
    title: "Background work of one kind",
    why: "Two jobs on the same rows. One job of each kind runs at a time for a document; a retry is no delay to anybody.",
    one: /^(follower|compaction|dropping|cron|history|import|sessions)/,
    other: /^(follower|compaction|dropping|cron|history|import|sessions|admin: purge)/,
  },
  {
    title: "A new epoch",
    why: "It comes once, after a backup was restored. The server's own author is another one in each epoch.",
    one: /^(writer|history|import|follower|admin: new epoch)/,
    other: /^admin: new epoch/,
  },
];

/** The same beginning for everybody: so what two of them do begins at one snapshot. */
async function begin(name: string): Promise<Actor> {
  vi.setSystemTime(beginning - limits.leavesKeptMs - 1);
  const app = createHistoryApp({ keepDays: 30, automatic: "daily" });
  await app.tellHistory();
  const [a, b] = [new PushDevice(app, 11), new PushDevice(app, 22)];
  const tabs = [new SessionTab(app, app.t, "a", "c"), new SessionTab(app, app.t, "b", "d")];
  await a.send(a.insert("old"));
  await a.send(a.set("old", "country", "FR"));
  vi.setSystemTime(beginning);
  for (const tab of tabs) await tab.join();
  for (const device of [a, b]) await device.send(device.insert(`of ${device.client}`));
  await a.send(a.insert("x"), a.insert("z"));
  for (const tab of tabs) await tab.show("x", 1);
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
  // What the two insert from here on has other ids; what is there has the same.
  if (!isFirst) await burnIds(app);
  return { app, device: isFirst ? a : b, tab: tabs[isFirst ? 0 : 1]!, name, component };
}

/** So that ids given from here on are not those of another app. */
async function burnIds(app: HistoryApp): Promise<void> {
  const burn = async (insert: () => Promise<() => Promise<void>>) => {
    for (let n = 0; n < 200; n++) await (await insert())();
  };
  await app.t.mutation((ctx) =>
    burn(async () => {
      const id = await ctx.db.insert("sites", {
        id: "burnt",
        name: "",
        country: "",
        status: "open",
        visits: 0,
        tags: [],
      });
      return () => ctx.db.delete(id);
    }),
  );
  await app.inComponent(({ db }) =>
    burn(async () => {
      const id = await db.insert("scopes", { collection: "burnt", scope: "", prunedTo: 0n });
      return () => db.delete(id);
    }),
  );
}

const records = new Map<string, MutationRecord>();
beforeAll(async () => {
  vi.useFakeTimers({ now: beginning });
  for (const contender of names)
    for (const actor of ["first", "second"]) {
      vi.setSystemTime(beginning);
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

const background =
  /^(session|follower|compaction|dropping|cron|history: (save|fold)|import|admin: (compact|retry))/;
const pushes = names.filter((name) => /^push: (?!move)/.test(name));

test("whoever writes is recorded with what it writes", () => {
  for (const name of names)
    if (!idle.includes(name)) expect(records.get(`${name} first`)!.writes, name).not.toEqual([]);
});

test("I-13: no push that leaves its document where it is ever conflicts with background work, a session, or a version", () => {
  for (const push of pushes)
    for (const other of names.filter((name) => background.test(name))) {
      const isOfSameText = push === "push: text of x" && other === "dropping a text of x";
      if (!isOfSameText)
        expect([push, other, meet(push, other), meet(other, push)]).toEqual([push, other, [], []]);
    }
});

test("I-13: two pushes to different documents, and any to one text, never conflict", () => {
  const different = [
    ...["change x", "delete x", "move x", "text of x"].flatMap((one) =>
      ["change z", "move z", "insert", "a guarded n"].map((other) => [one, other]),
    ),
    ["insert", "insert"],
    ["text of x", "text of x"],
    ["text of x", "change x"],
    ["text of x", "delete x"],
    ["text of x", "move x"],
  ] as const;
  for (const [one, other] of different)
    expect([one, other, meet(`push: ${one!}`, `push: ${other!}`)]).toEqual([one, other, []]);
});

test("docs/conflicts.md says which of them may conflict, where, and why", async () => {
  const rows = new Map(sections.map(({ title }) => [title, [] as string[]]));
  let never = 0;
  for (const [index, one] of names.entries())
    for (const other of names.slice(index)) {
      const tables = [...new Set([...meet(one, other), ...meet(other, one)])].sort();
      if (tables.length === 0) {
        never += 1;
        continue;
      }
      const section = sections.find(
        (each) =>
          (each.one.test(one) && each.other.test(other)) || (each.one.test(other) && each.other.test(one)),
      );
      if (section === undefined)
        throw new Error(`Nobody says why ${one} and ${other} meet in ${tables.join(", ")}.`);
      rows.get(section.title)!.push(`| ${one} | ${other} | ${tables.join(", ")} |`);
    }
  await expect(toMarkdown(rows, never)).toMatchFileSnapshot("../../docs/conflicts.md");
});

function toMarkdown(rows: ReadonlyMap<string, readonly string[]>, never: number): string {
  const tables = sections.flatMap(({ title, why }) => [
    `## ${title}`,
    "",
    why,
    "",
    "| one | other | where |",
    "| --- | --- | --- |",
    ...rows.get(title)!,
    "",
  ]);
  return [
    "# Who may conflict with whom",
    "",
    "Convex runs transactions optimistically: one that has read what another wrote meanwhile is run again, and fails after four",
    "retries. So what matters of a design is which of its transactions share what they read and write. This table is made by a test",
    "(`src/server/everyPair.conflict.test.ts`): it records what each function reads, but for stale snapshots, and writes, at one",
    "beginning, and compares every pair of them. The document is `x` where it concerns one, `z` is another.",
    "",
    `${never} of the ${(names.length * (names.length + 1)) / 2} pairs never conflict. The others are here; where names the tables in which they meet.`,
    "",
    ...tables,
    "## Compared",
    "",
    ...names.map(
      (name) => `- ${name}${idle.includes(name) ? " (finds nothing to do; its reads are compared)" : ""}`,
    ),
    "",
  ].join("\n");
}
