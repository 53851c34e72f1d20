import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";
import { RawSocket, tsOf, updateIn } from "./rawSocket.js";
import type { ServerMessage } from "./syncProtocol.js";

let app: FixtureApp;
const open: RawSocket[] = [];
let sessions = 0;

beforeAll(async () => void (app = await startFixtureApp()), 60_000);
afterAll(() => app.close());
afterEach(() => {
  app.backend.faults.clear();
  for (const socket of open.splice(0)) socket.close();
});

async function connect(sessionId = `session ${++sessions}`): Promise<RawSocket> {
  const socket = await RawSocket.open(app.backend.url, sessionId);
  open.push(socket);
  return socket;
}

const callsOf = (path: string) => app.backend.calls.filter((call) => call.path === path);
const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const versions = ({ startVersion, endVersion }: ServerMessage) => [startVersion, endVersion];
const tokenOf = (claims: object) =>
  ["{}", JSON.stringify(claims), ""].map((part) => Buffer.from(part).toString("base64url")).join(".");

test("transitions begin at zero and each where the one before ended", async () => {
  const socket = await connect();
  socket.watch(0, "messages:list", { author: "chain" });
  await socket.until("Transition", 1);
  socket.mutate(0, "messages:send", { author: "chain", text: "a" });
  const transitions = await socket.until("Transition", 2);
  const zero = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
  expect(transitions[0]?.["startVersion"]).toEqual(zero);
  for (const [n, transition] of transitions.slice(1).entries())
    expect(transition["startVersion"]).toEqual(transitions[n]?.["endVersion"]);
  expect(updateIn(transitions.at(-1)!, 0)).toEqual(["a"]);
});

test("after a mutation a transition of its ts or later follows, though nobody watches what it wrote", async () => {
  const socket = await connect();
  socket.mutate(0, "messages:send", { author: "unwatched", text: "a" });
  const [response] = await socket.until("MutationResponse");
  const [transition] = await socket.until("Transition");
  expect(response).toMatchObject({ requestId: 0, success: true });
  expect(tsOf(transition?.["endVersion"])).toBeGreaterThanOrEqual(tsOf(response));
  expect(transition?.["modifications"]).toEqual([]);
});

test("mutations of one socket run one at a time, in their order", async () => {
  const socket = await connect();
  const texts = Array.from({ length: 20 }, (_, n) => `m${n}`);
  texts.forEach((text, n) => socket.mutate(n, "messages:send", { author: "ordered", text }));
  const responses = await socket.until("MutationResponse", texts.length);
  expect(responses.map(({ requestId }) => requestId)).toEqual(texts.map((_, n) => n));
  expect(await app.backend.run("query", "messages:list", { author: "ordered" })).toEqual(texts);
});

test("a mutation that is sent again while it still runs is run once, and both get its answer", async () => {
  const [first, second] = [await connect("twice"), await connect("twice")];
  const before = callsOf("messages:send").length;
  app.backend.faults.delay(100);
  first.mutate(7, "messages:send", { author: "twice", text: "once" });
  await until(() => expect(callsOf("messages:send")).toHaveLength(before + 1));
  second.mutate(7, "messages:send", { author: "twice", text: "once" });
  const [answers, again] = [await first.until("MutationResponse"), await second.until("MutationResponse")];
  expect(again).toEqual(answers);
  expect(callsOf("messages:send")).toHaveLength(before + 1);
});

test("the same request of another session is another mutation", async () => {
  const [first, second] = [await connect(), await connect()];
  for (const socket of [first, second]) socket.mutate(1, "messages:send", { author: "sessions", text: "x" });
  await Promise.all([first.until("MutationResponse"), second.until("MutationResponse")]);
  expect(await app.backend.run("query", "messages:list", { author: "sessions" })).toEqual(["x", "x"]);
});

test("mutations that wait when their socket is cut are not run", async () => {
  const socket = await connect();
  app.backend.faults.loseAnswer("messages:send");
  for (const n of [0, 1, 2]) socket.mutate(n, "messages:send", { author: "cut", text: `m${n}` });
  await until(() => expect(socket.closeCode).toBe(1006));
  await app.backend.run("mutation", "messages:send", { author: "after", text: "m" });
  expect(await app.backend.run("query", "messages:list", { author: "cut" })).toEqual(["m0"]);
});

test("what is written while a query runs for the first time is not missed", async () => {
  const socket = await connect();
  const before = callsOf("messages:list").length;
  app.backend.faults.delay(50); // after it has read, before it is answered
  socket.watch(0, "messages:list", { author: "meanwhile" });
  await until(() => expect(callsOf("messages:list").length).toBe(before + 1));
  await app.backend.run("mutation", "messages:send", { author: "meanwhile", text: "seen" });
  await until(() => expect(updateIn(socket.all("Transition").at(-1)!, 0)).toEqual(["seen"]));
});

test("the results of one transition are of one moment, whatever is written meanwhile", async () => {
  const socket = await connect();
  socket.watch(0, "probe:count", { counter: "left" });
  socket.watch(1, "probe:count", { counter: "right" });
  await socket.until("Transition", 1);
  const writers = Array.from({ length: 4 }, async () => {
    for (let n = 0; n < 25; n++) await app.backend.run("mutation", "probe:bump");
  });
  await Promise.all(writers);
  const total = await app.backend.run("query", "probe:count", { counter: "left" });
  const shown = { left: 0 as unknown, right: 0 as unknown };
  await until(() => expect(updateIn(socket.all("Transition").at(-1)!, 0)).toBe(total));
  for (const transition of socket.all("Transition").slice(1)) {
    shown.left = updateIn(transition, 0) ?? shown.left;
    shown.right = updateIn(transition, 1) ?? shown.right;
    expect(shown.left).toBe(shown.right);
  }
});

test("a result that became stale while another was awaited is not shown beside it", async () => {
  const socket = await connect();
  app.backend.faults.delay(50);
  socket.watch(0, "probe:count", { counter: "left" });
  const before = callsOf("probe:count").length;
  await until(() => expect(callsOf("probe:count").length).toBe(before + 1));
  const bumped = app.backend.run("mutation", "probe:bump");
  await until(() => expect(app.backend.calls.at(-1)?.path).toBe("probe:bump"));
  socket.watch(1, "probe:count", { counter: "right" });
  const total = await bumped;
  await until(() => expect(updateIn(socket.all("Transition").at(-1)!, 1)).toBe(total));
  const both = socket.all("Transition").find((transition) => updateIn(transition, 1) === total);
  const left = socket.all("Transition").map((transition) => updateIn(transition, 0));
  const shownThen = left
    .slice(0, socket.all("Transition").indexOf(both!) + 1)
    .findLast((value) => value !== undefined);
  expect(shownThen).toBe(total);
});

test("a watcher is not kept waiting for ever by writers that never pause", async () => {
  const socket = await connect();
  app.backend.faults.delay(5); // a result is stale before it is there
  let isOver = false;
  const writers = Array.from({ length: 4 }, async () => {
    while (!isOver) await app.backend.run("mutation", "probe:bump");
  });
  socket.watch(0, "probe:count", { counter: "left" });
  await socket.until("Transition", 1).finally(() => (isOver = true));
  await Promise.all(writers);
});

test("a query runs again only if what is written lies in what it read, and equal ones run once for all", async () => {
  const [first, second] = [await connect(), await connect()];
  const runs = () => callsOf("messages:list").length;
  const before = runs();
  first.watch(0, "messages:list", { author: "shared" });
  await first.until("Transition");
  second.watch(0, "messages:list", { author: "shared" });
  await second.until("Transition");
  expect(runs()).toBe(before + 1);
  await app.backend.run("mutation", "messages:send", { author: "somebody else", text: "x" });
  expect(runs()).toBe(before + 1);
  await app.backend.run("mutation", "messages:send", { author: "shared", text: "x" });
  await Promise.all([first.until("Transition", 2), second.until("Transition", 2)]);
  expect(runs()).toBe(before + 2);
});

test("a result that is the same as before is left out", async () => {
  const socket = await connect();
  socket.watch(0, "messages:whoAmI", {});
  await socket.until("Transition");
  const value = tokenOf({ sub: "ada", iss: "local", exp: 4e9 });
  socket.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value });
  await socket.until("Transition", 2);
  socket.send({ type: "Authenticate", baseVersion: 1, tokenType: "User", value });
  const [none, ada, same] = await socket.until("Transition", 3);
  expect([updateIn(none!, 0), updateIn(ada!, 0)]).toEqual([null, "local|ada"]);
  expect(same?.["modifications"]).toEqual([]);
  expect(versions(same!)).toMatchObject([{ identity: 1 }, { identity: 2 }]);
});

test("a large transition is cut into chunks of at most 5 MB that make one frame", async () => {
  const socket = await connect();
  socket.watch(0, "messages:large", { length: 12_000_000 });
  const chunks = await socket.until("TransitionChunk", 3);
  expect(chunks.map(({ partNumber, totalParts }) => [partNumber, totalParts])).toEqual(
    [0, 1, 2].map((n) => [n, 3]),
  );
  expect(new Set(chunks.map(({ transitionId }) => transitionId)).size).toBe(1);
  const whole = chunks.map(({ chunk }) => chunk as string).join("");
  expect(updateIn(JSON.parse(whole) as ServerMessage, 0)).toHaveLength(12_000_000);
});

test("a query set that does not follow the one before is fatal", async () => {
  const socket = await connect();
  socket.watch(0, "messages:whoAmI", {}, 5);
  const [fatal] = await socket.until("FatalError");
  expect(fatal?.["error"]).toMatch(/Base version 5 .* current version 0/);
});

test("a token that is none, or has expired, is an AuthError of its version", async () => {
  for (const value of ["no token", tokenOf({ sub: "ada", iss: "local", exp: 1 })]) {
    const socket = await connect();
    socket.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value });
    const [error] = await socket.until("AuthError");
    expect(error).toMatchObject({ baseVersion: 0, authUpdateAttempted: true });
  }
});

test("what a function writes to the console comes with its answer", async () => {
  const socket = await connect();
  socket.mutate(0, "probe:speak", {});
  const [response] = await socket.until("MutationResponse");
  expect(response?.["logLines"]).toEqual(["[LOG] 'said' 1 { deep: true }", "[WARN] 'warned'"]);
});

test("a commit timestamp arrives as an int64, the one that was stored and answered", async () => {
  const socket = await connect();
  socket.watch(0, "probe:lastStamp", {});
  await socket.until("Transition");
  socket.mutate(0, "probe:stamp", {});
  const [response] = await socket.until("MutationResponse");
  const transitions = await socket.until("Transition", 2);
  expect(response?.["result"]).toEqual({ ts: { $integer: response?.["ts"] } });
  expect(updateIn(transitions.at(-1)!, 0)).toEqual({ $integer: response?.["ts"] });
});
