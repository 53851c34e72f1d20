// What the server does for a push, for those who watch, for a client that comes back and for a heartbeat, in calls,
// rows and bytes, in our design and in the obvious one. Counts: the same on every machine. The clock is held, so that
// a call is counted alone, and what it sets off in the background after it.
import type { JSONValue } from "convex/values";
import type { Cost, FunctionCall, Identity } from "../local/engine/engine.js";
import { HeldClock } from "../local/heldClock.js";
import { Subscribers } from "../local/subscribers.js";
import { Author } from "./author.js";
import { scope, succeed, type Design, type StartDesign } from "./design.js";
import { startObvious } from "./obvious/design.js";
import { startOurs } from "./ours.js";
import type { Row } from "./row.js";
import { StoredBytes } from "./storedBytes.js";

const subscribers = 100;
const sessions = 100;
/** From one edit of a document to its next: enough edits for each to be compacted. */
const paces = [
  { name: "25 documents, an edit a second each", documents: 25, edits: 60, everyMs: 1_000 },
  { name: "5 documents, an edit every two minutes each", documents: 5, edits: 40, everyMs: 120_000 },
] as const;
const heartbeatMs = 20_000;
const minuteMs = 60_000;

type Measures = readonly {
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  unit: string;
}[];

export async function serverCost(): Promise<Row[]> {
  const [ours, obvious] = [await measure(startOurs), await measure(startObvious)];
  return ours.map((row, at) => {
    const peer = obvious[at]!;
    if (peer.metric !== row.metric || peer.case !== row.case)
      throw new Error(`Nothing stands beside ${row.case}.`);
    return { ...row, peer: peer.value };
  });
}

async function measure(start: StartDesign): Promise<Measures> {
  const backgrounds = paces.map(
    (pace) => (design: Design, clock: HeldClock) => background(design, clock, pace),
  );
  const parts = [pushes, ...backgrounds, live, reopens, presence];
  const all = [];
  for (const part of parts) {
    const clock = new HeldClock();
    const design = await start({ clock, seed: 3, limits: { userTime: false } });
    all.push(...(await part(design, clock)));
    await design.engine.close();
  }
  return all;
}

/** Calls of one push, and rows and bytes, by how much of a document is not compacted. */
async function pushes(design: Design): Promise<Measures> {
  const author = new Author(0);
  const push = (...edits: Parameters<Design["push"]>[1]) =>
    succeed(design.engine, design.push(author, edits)).then((result) => {
      design.checkPushed(result.value);
      return result;
    });
  const ids = Array.from({ length: 20 }, (_, n) => `site ${n}`);
  await push(...ids.map((id) => author.insert(id)));
  const all = costRows("insert of a document", await push(author.insert("new")));
  for (const id of ids) await succeed(design.engine, design.compact(id));
  all.push(...costRows("edit of a compacted document", await push(author.set("site 0", "name", "A"))));
  for (let n = 0; n < 15; n++) await push(author.set("site 0", "name", `A${n}`));
  all.push(
    ...costRows("edit of a document with 16 deltas since", await push(author.set("site 0", "name", "B"))),
  );
  const edits = ids.slice(1).map((id) => author.set(id, "name", "C"));
  all.push(...costRows("19 compacted documents in one push", await push(...edits)));
  return all;
}

function costRows(name: string, { read, written }: Cost) {
  return [
    { case: name, metric: "rows read", value: read.rows, unit: "" },
    { case: name, metric: "bytes read", value: read.bytes, unit: "B" },
    { case: name, metric: "rows written", value: written.rows, unit: "" },
    { case: name, metric: "bytes written", value: written.bytes, unit: "B" },
  ];
}

/** Everything that pushes set off, until a quarter of an hour after the last; and what is stored then. */
async function background(
  design: Design,
  clock: HeldClock,
  { name: pace, documents, edits, everyMs }: (typeof paces)[number],
): Promise<Measures> {
  const count = documents * edits;
  const sums = { calls: 0, rowsRead: 0, bytesRead: 0, rowsWritten: 0, bytesWritten: 0 };
  const stored = new StoredBytes(design.engine);
  design.engine.onBackgroundCall(({ read, written }) => {
    sums.calls += 1;
    sums.rowsRead += read.rows;
    sums.bytesRead += read.bytes;
    sums.rowsWritten += written.rows;
    sums.bytesWritten += written.bytes;
  });
  const pass = (ms: number) => clock.pass(ms, () => design.engine.settled());
  const authors = Array.from({ length: documents }, (_, n) => new Author(n));
  const push = async (author: Author, edit: ReturnType<Author["set"]>) =>
    design.checkPushed((await succeed(design.engine, design.push(author, [edit]))).value);
  for (const [n, author] of authors.entries()) await push(author, author.insert(`site ${n}`));
  await pass(minuteMs);
  const inserted = stored.bytes(/./);
  Object.assign(sums, { calls: 0, rowsRead: 0, bytesRead: 0, rowsWritten: 0, bytesWritten: 0 });
  let most = 0;
  for (let round = 0; round < edits; round++) {
    for (const [n, author] of authors.entries()) {
      await push(author, author.set(`site ${n}`, "name", `name ${round}`));
      await pass(everyMs / documents);
    }
    most = Math.max(most, stored.bytes(documentTables));
  }
  await pass(15 * minuteMs);
  for (const n of authors.keys()) await succeed(design.engine, design.compact(`site ${n}`));
  const name = `background of an edit: ${pace}`;
  const per = (metric: string, value: number, unit = "") => ({
    case: name,
    metric,
    value: value / count,
    unit,
  });
  const bytes = (metric: string, value: number) => ({ case: `stored: ${pace}`, metric, value, unit: "B" });
  return [
    per("calls", sums.calls),
    per("rows read", sums.rowsRead),
    per("bytes read", sums.bytesRead, "B"),
    per("rows written", sums.rowsWritten),
    per("bytes written", sums.bytesWritten, "B"),
    bytes("deltas and snapshots of a document, at most", most / documents),
    bytes("the same when all is compacted", stored.bytes(documentTables) / documents),
    bytes("everything, for each edit, when all is compacted", (stored.bytes(/./) - inserted) / count),
  ];
}

const documentTables = /(^|:)(deltas|snapshots)$/;

/** One edit of a document in a scope that 100 watch: who runs again, of one identity and of 100. */
async function live(design: Design): Promise<Measures> {
  const rows = [];
  for (const identities of [1, subscribers]) {
    const author = new Author(identities);
    const id = `site ${identities}`;
    await succeed(design.engine, design.push(author, [author.insert(id)]));
    const watching = new Subscribers(design.engine);
    for (let n = 0; n < subscribers; n++)
      watching.add(watchScope(design, scope, null), identityOf(n % identities));
    await watching.settle();
    watching.takeCost();
    await succeed(design.engine, design.push(author, [author.set(id, "name", "N")]));
    await watching.settle();
    const name = `an edit, ${subscribers} subscribers of ${identities === 1 ? "one identity" : `${identities} identities`}`;
    rows.push(...watchRows(name, watching));
    await succeed(design.engine, design.compact(id));
    await watching.settle();
    rows.push(watchRows(`compaction, ${subscribers} subscribers that are there already`, watching)[0]!);
  }
  return rows;
}

function watchScope(design: Design, watched: string, cursor: JSONValue) {
  const { path, args } = design.pull(watched, cursor);
  const argsAt = (at: JSONValue) => design.pull(watched, at).args;
  return {
    path,
    args,
    next: (answer: JSONValue) => (design.entriesIn(answer) === 0 ? null : argsAt(design.cursorAfter(answer))),
  };
}

function watchRows(name: string, watching: Subscribers) {
  const { executions, rows, bytes } = watching.takeCost();
  return [
    { case: name, metric: "executions", value: executions, unit: "" },
    { case: name, metric: "rows read", value: rows, unit: "" },
    { case: name, metric: "bytes read", value: bytes, unit: "B" },
  ];
}

function identityOf(n: number): Identity {
  return {
    subject: `user ${n}`,
    issuer: "https://bench.test",
    tokenIdentifier: `https://bench.test|user ${n}`,
  };
}

/** A client that has everything comes back. */
async function reopens(design: Design): Promise<Measures> {
  const rows = [];
  const author = new Author(0);
  const scopes = Array.from({ length: 10 }, (_, n) => `S${n}`);
  for (const each of scopes)
    for (let n = 0; n < 10; n++)
      await succeed(design.engine, design.push(author, [author.insert(`${each} ${n}`, each)]));
  const cursors = new Map<string, JSONValue>();
  for (const each of scopes)
    cursors.set(each, design.cursorAfter((await succeed(design.engine, design.pull(each, null))).value));
  for (const count of [1, scopes.length]) {
    const watching = new Subscribers(design.engine);
    for (const each of scopes.slice(0, count)) watching.add(watchScope(design, each, cursors.get(each)!));
    await watching.settle();
    rows.push(...watchRows(`a client comes back to ${count} of its scopes, 10 documents each`, watching));
  }
  return rows;
}

/** A document that 100 have open. */
async function presence(design: Design, clock: HeldClock): Promise<Measures> {
  const author = new Author(0);
  const pass = (ms: number) => clock.pass(ms, () => design.engine.settled());
  await succeed(design.engine, design.push(author, [author.insert("room")]));
  const tabs = [];
  for (let n = 0; n < sessions; n++) tabs.push(await design.enter("room", n));
  for (const [n, tab] of tabs.entries()) await succeed(design.engine, tab.show(stateOf(n, 0)));
  const watching = new Subscribers(design.engine);
  for (let n = 0; n < sessions; n++) watching.add(watchPresence(design), identityOf(n));
  await watching.settle();
  const rows = [];
  const [tab] = tabs;
  const one = async (name: string, call: FunctionCall) => {
    watching.takeCost();
    const cost = await succeed(design.engine, call);
    await watching.settle();
    return [...costRows(name, cost), ...watchRows(`${name}, those who watch`, watching)];
  };
  await pass(heartbeatMs);
  rows.push(...(await one(`a heartbeat, ${sessions} in the document`, tab!.beat())));
  rows.push(...(await one(`a cursor moves, ${sessions} in the document`, tab!.show(stateOf(0, 1)))));
  const edit = design.push(author, [author.set("room", "name", "N")]);
  watching.takeCost();
  await succeed(design.engine, edit);
  await watching.settle();
  rows.push(watchRows(`an edit of the document, those who watch presence`, watching)[0]!);
  return rows;
}

function watchPresence(design: Design) {
  const { path, args } = design.presence("room");
  return { path, args, next: () => null };
}

const stateOf = (person: number, cursor: number) => ({
  user: { name: `Person number ${person}`, color: "#1f77b4" },
  cursor: { anchor: cursor, head: cursor + 3 },
});
