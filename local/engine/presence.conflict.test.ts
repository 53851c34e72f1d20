import { anyApi, getFunctionName, type FunctionReference } from "convex/server";
import { convexToJson, getConvexSize, jsonToConvex, type Value } from "convex/values";
import { expect, test } from "vitest";
import { limits } from "../../src/shared/limits.js";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import { SessionTab } from "../../src/testing/sessionTab.js";
import { startFieldEngine, type FieldEngine } from "../fieldEngine.js";
import { JumpClock } from "../jumpClock.js";
import type { CallResult, FunctionKind } from "./engine.js";
import type { Commit } from "../mvcc/versionedStore.js";

const people = 200;
const { heartbeatMs, sessionDeadlineMs } = limits;

/** Jumps over the short waits of reads. What is later, as the sleeper, waits for the test: for a `pass` after it is due. */
class PatientClock extends JumpClock {
  #later: { ms: number; wake: () => void }[] = [];

  override at(ms: number, wake: () => void): () => void {
    if (ms - this.now() < 1000) return super.at(ms, wake);
    const waiting = { ms, wake };
    this.#later.push(waiting);
    return () => void (this.#later = this.#later.filter((each) => each !== waiting));
  }

  async pass(ms: number): Promise<void> {
    const now = this.now();
    const due = this.#later.filter((each) => each.ms <= now);
    this.#later = this.#later.filter((each) => each.ms > now);
    for (const { wake } of due) super.at(now, wake);
    await new Promise<void>((resolve) => void super.at(now + ms, resolve));
  }
}

/** What a call cost, and the commits that it made. */
type Measured = { result: CallResult & { ok: true }; commits: Commit[] };

async function startRoom(readLatencyMs: [number, number]) {
  const clock = new PatientClock();
  const field = await startFieldEngine({ clock, seed: 5, readLatencyMs });
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  const caller = field as unknown as ServerApp["t"];
  const devices = Array.from(
    { length: people },
    (_, n) => new PushDevice(app, 1000 + n, `client${n}`, caller),
  );
  await devices[0]!.send(devices[0]!.insert("room"));
  const tabs = devices.map(({ client }, n) => new SessionTab(app, caller, `tab${n}`, client));
  await tabs[0]!.join(); // Starts the sleeper.
  await Promise.all(tabs.slice(1).map((tab) => tab.join()));
  return { clock, field, devices, tabs, api: app.api as Required<ServerApp["api"]> };
}

/** What one in a document of 200 tells: where the cursor is, and who this is. */
const stateOf = (person: number, cursor: number) => ({
  user: { name: `Person number ${person}`, color: "#1f77b4" },
  cursor: { anchor: cursor, head: cursor + 3 },
});

test("I-13: 200 sessions beat and set presence in one document, beside pushes to it and sessions that end: no conflict", async () => {
  const { clock, field, devices, tabs } = await startRoom([0, 20]);
  const [dead, live] = [tabs.slice(0, 40), tabs.slice(40)];
  await Promise.all(tabs.map((tab, n) => tab.show("room", n)));
  for (let round = 0; round < 4; round++) {
    await clock.pass(heartbeatMs);
    await Promise.all([
      // Over the time that a push takes.
      ...live.flatMap((tab, n) => [
        tab.beat(),
        clock.pass(n).then(() => tab.show("room", stateOf(n, round))),
      ]),
      ...devices.slice(1, 50).map((device, n) => device.send(device.insert(`site ${round} ${n}`))),
      devices[0]!.send(devices[0]!.set("room", "name", `name ${round}`)),
      // The sleeper, if it is due, wakes among them.
      clock.pass(15),
    ]);
  }
  const shown = async () => ((await live[0]!.watch("room")) as { entries: unknown[] }).entries.length;
  // Those that are due may be left to the wake-up that comes next; who beats stays.
  for (let round = 0; round < 3 && (await shown()) > live.length; round++) {
    await clock.pass(heartbeatMs);
    await Promise.all(live.map((tab) => tab.beat()));
  }
  expect(await live[0]!.watch("room")).toMatchObject({ entries: { length: live.length }, more: false });
  expect(live.length).toBe(people - dead.length);
  const { conflicts } = field;
  const names = ["replicate:push", "replicate:heartbeat", "replicate:setPresence", "replicate:join"];
  const swept = ["replicate/sweepSessions:wake", "replicate/sweepSessions:expire"];
  for (const name of [...names, ...swept]) expect([name, conflicts.get(name)]).toEqual([name, 0]);
});

test("a session that beats in the moment in which it is removed is alive, or told that it is gone", async () => {
  const { clock, field, tabs } = await startRoom([0, 20]);
  await Promise.all(tabs.map((tab, n) => tab.show("room", n)));
  // The first wake-up finds those that joined first; the next one all others, and everybody beats when it has.
  let wakeUps = 0;
  const beats: ReturnType<SessionTab["beat"]>[] = [];
  field.engine.onBackgroundCall(({ path }) => {
    if (!path.endsWith(":wake") || ++wakeUps !== 2) return;
    for (const [n, tab] of tabs.entries()) beats.push(clock.pass(3 * n).then(() => tab.beat()));
  });
  await clock.pass(sessionDeadlineMs);
  while (wakeUps < 2) await clock.pass(1000);
  const answers = await Promise.all(beats);
  await clock.pass(1000);
  const count = (type: string) => answers.filter((answer) => answer.type === type).length;
  // They did meet: without a conflict each came after the other.
  expect(field.conflicts.get("replicate/sweepSessions:expire")).toBeGreaterThan(0);
  expect(Math.min(count("alive"), count("gone"))).toBeGreaterThan(10);
  expect(await tabs[0]!.watch("room")).toMatchObject({ entries: { length: count("alive") } });
});

test("200 sessions in one document cost what is counted here", async () => {
  const { clock, field, devices, tabs, api } = await startRoom([0, 0]);
  await Promise.all(tabs.map((tab, n) => tab.show("room", stateOf(n, 100))));
  const room = { collection: "sites", scope: "DE", document: "room" };
  const [tab] = tabs as [SessionTab];
  const { session } = tab;
  const show = (cursor: number) =>
    measure(field, "mutation", api.setPresence, {
      ...{ session, ...room },
      state: stateOf(0, cursor),
    });

  const query = await measure(field, "query", api.presence, room);
  const bytes = getConvexSize(jsonToConvex(query.result.value));
  expect(query.result.read.rows).toBe(people);
  expect(query.result.read.bytes / people).toBeLessThan(450);
  expect(bytes / people).toBeLessThan(250);

  await clock.pass(heartbeatMs);
  const beat = await measure(field, "mutation", api.heartbeat, { session });
  // Convex reads a row once more to patch it.
  expect(costOf(beat)).toEqual({ read: 2, written: 1, touched: ["replicate:sessions"] });
  expect(beat.result.read.bytes + beat.result.written.bytes).toBeLessThan(700);
  const early = await measure(field, "mutation", api.heartbeat, { session });
  expect(costOf(early)).toEqual({ read: 1, written: 0, touched: [] });

  const change = await show(101);
  // Its row, and the newest delta of the document, which tells the scope.
  expect(costOf(change)).toEqual({ read: 3, written: 1, touched: ["replicate:presence"] });
  expect(change.result.read.bytes + change.result.written.bytes).toBeLessThan(1500);
  expect(costOf(await show(101))).toEqual({ read: 2, written: 0, touched: [] });

  // What re-runs the query: nothing but presence.
  const { snapshot } = query.result;
  const reruns = ({ commits }: Measured) =>
    commits.filter(({ writes }) => writes.some((write) => snapshot!.isTouchedBy(write))).length;
  const pushed = await noteCommits(field, () => devices[0]!.send(devices[0]!.set("room", "name", "N")));
  expect(pushed.length).toBeGreaterThan(0);
  expect(reruns({ ...beat, commits: pushed })).toBe(0);
  expect([reruns(beat), reruns(change)]).toEqual([0, 1]);

  // A minute of everybody's heartbeats: three calls each, and the sleeper's.
  const background: string[] = [];
  field.engine.onBackgroundCall(({ path }) => void (path.includes("essions:") && background.push(path)));
  for (let n = 0; n < 3; n++) {
    await clock.pass(heartbeatMs);
    await Promise.all(tabs.map((each) => each.beat()));
  }
  expect(background.length).toBeGreaterThan(0);
  expect(background.length).toBeLessThanOrEqual(3);
  expect(new Set(background)).toEqual(new Set(["replicate/sweepSessions:wake"]));
});

function costOf({ result, commits }: Measured) {
  const touched = commits.flatMap(({ writes }) => writes.map(({ table }) => table));
  return { read: result.read.rows, written: result.written.rows, touched };
}

async function measure(
  field: FieldEngine,
  kind: FunctionKind,
  reference: FunctionReference<FunctionKind>,
  args: object,
): Promise<Measured> {
  const path = getFunctionName(reference);
  let result: CallResult | undefined;
  const commits = await noteCommits(field, async () => {
    result = await field.engine.run({ kind, path, args: convexToJson(args as Value), identity: null });
  });
  if (!result?.ok) throw new Error(`"${path}" failed: ${result?.message}`);
  // Others may commit meanwhile: what is done in the background.
  return { result, commits: commits.filter(({ source }) => source.includes(path)) };
}

const listening = new WeakMap<FieldEngine, Commit[][]>();
async function noteCommits(field: FieldEngine, run: () => Promise<unknown>): Promise<Commit[]> {
  const listeners = listening.get(field) ?? [];
  if (!listening.has(field))
    field.engine.onCommit((commit) => listeners.forEach((commits) => commits.push(commit)));
  listening.set(field, listeners);
  const commits: Commit[] = [];
  listeners.push(commits);
  await run();
  listeners.splice(listeners.indexOf(commits), 1);
  return commits;
}
