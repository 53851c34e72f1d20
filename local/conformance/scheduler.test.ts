import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const hourMs = 3_600_000;
const notes = (app: DeployedApp) => app.query<string[]>("scheduling:notes");
const job = (app: DeployedApp, id: string) => app.query("scheduling:job", { id });
const later = (app: DeployedApp, text: string, delayMs: number) =>
  app.mutation<{ id: string; notes: number }>("scheduling:noteLater", { text, delayMs });
const runLater = (app: DeployedApp, name: string, args = {}, delayMs = 0) =>
  app.mutation<string>("scheduling:runLater", { name, args, delayMs });

conformance("scheduler", (check) => {
  const says = (says: string) => ({ source: sources.scheduling, says });

  check(
    "what is scheduled for now runs after the commit",
    says("runAfter(0) adds to the event queue"),
    async (app) => {
      expect((await later(app, "now", 0)).notes).toBe(0);
      await app.settle();
      expect(await notes(app)).toEqual(["now"]);
    },
  );

  check(
    "what is scheduled for a time that has passed runs",
    says("runAt schedules at a timestamp"),
    async (app) => {
      await app.mutation("scheduling:noteAt", { text: "late", time: Date.now() - 1_000 });
      await app.settle();
      expect(await notes(app)).toEqual(["late"]);
    },
  );

  check(
    "what is scheduled for later does not run before",
    says("runAfter runs after a delay in ms"),
    async (app) => {
      const { id } = await later(app, "later", hourMs);
      await app.settle();
      expect(await notes(app)).toEqual([]);
      expect(await job(app, id)).toMatchObject({ state: { kind: "pending" } });
    },
  );

  check(
    "what a mutation that fails has scheduled never runs",
    says("if the mutation fails, no function is scheduled"),
    async (app) => {
      await app.refusal("mutation", "scheduling:noteLater", { text: "never", delayMs: 0, isRefused: true });
      await app.settle();
      expect(await notes(app)).toEqual([]);
      expect(await app.query("scheduling:jobs")).toEqual([]);
    },
  );

  check(
    "what an action that fails has scheduled runs",
    says("the scheduled functions will still be executed"),
    async (app) => {
      await app.refusal("action", "scheduling:scheduleThenFail");
      await app.settle();
      expect(await notes(app)).toEqual(["scheduled by an action"]);
    },
  );

  check("what is scheduled may schedule", says("functions can be scheduled from mutations"), async (app) => {
    await runLater(app, "countDown", { from: 4 });
    await app.settle();
    expect(await notes(app)).toEqual(["4", "3", "2", "1"]);
  });

  check("all that is scheduled at once runs", says("a mutation may schedule up to 1000"), async (app) => {
    for (const text of ["a", "b", "c"]) await later(app, text, 0);
    await app.settle();
    expect((await notes(app)).toSorted()).toEqual(["a", "b", "c"]);
  });

  check(
    "a job that waits is a document with arguments, name, time and state",
    says("`name`, `args`, `scheduledTime` in ms, `state`"),
    async (app) => {
      const before = Date.now();
      const { id } = await later(app, "later", hourMs);
      const found = (await job(app, id)) as { scheduledTime: number; name: string };
      expect(found).toEqual({
        _id: id,
        _creationTime: expect.any(Number),
        args: [{ text: "later" }],
        name: expect.stringMatching(/^scheduling(\.js)?:note$/),
        scheduledTime: expect.any(Number),
        state: { kind: "pending" },
      });
      expect(Math.abs(found.scheduledTime - (before + hourMs))).toBeLessThan(60_000);
      expect(await app.query("scheduling:jobs")).toEqual([found]);
    },
  );

  check(
    "the name of a job has the extension of its module",
    says('`"name": "messages.js:destruct"`'),
    async (app) => {
      const { id } = await later(app, "later", hourMs);
      expect(await job(app, id)).toMatchObject({ name: "scheduling.js:note" });
    },
  );

  check(
    "a mutation sees the job that it makes",
    says("scheduling is atomic with the mutation"),
    async (app) => {
      expect(await app.mutation("scheduling:lookAtOwn")).toEqual({ kind: "pending" });
    },
  );

  check(
    "a job that ran well is a success",
    says("`Success`: finished running with no errors"),
    async (app) => {
      const { id } = await later(app, "now", 0);
      await app.settle();
      expect(await job(app, id)).toMatchObject({ state: { kind: "success" } });
    },
  );

  check(
    "a job that ran well tells when",
    says("`completedTime`: when the function finished running"),
    async (app) => {
      const { id } = await later(app, "now", 0);
      await app.settle();
      expect(await job(app, id)).toMatchObject({ completedTime: expect.any(Number) });
    },
  );

  check(
    "a mutation that fails when it runs writes nothing, and its job has failed",
    says("`Failed`: hit an error"),
    async (app) => {
      const id = await runLater(app, "fail");
      await app.settle();
      expect(await notes(app)).toEqual([]);
      expect(await job(app, id)).toMatchObject({
        state: { kind: "failed" },
        completedTime: expect.any(Number),
      });
    },
  );

  check(
    "an action that fails when it runs is not tried again",
    says("actions run at most once"),
    async (app) => {
      const id = await runLater(app, "failInAction");
      await app.settle();
      expect(await notes(app)).toEqual(["written by an action before it failed"]);
      expect(await job(app, id)).toMatchObject({ state: { kind: "failed" } });
    },
  );

  check(
    "an action that runs is in progress",
    says("`InProgress`: started and not completed yet"),
    async (app) => {
      const id = await runLater(app, "lookAtItself");
      await app.settle();
      expect(await notes(app)).toEqual(["inProgress"]);
      expect(await job(app, id)).toMatchObject({ state: { kind: "success" } });
    },
  );

  check(
    "a job that is canceled never runs",
    says("if it hasn't started running, it won't run"),
    async (app) => {
      const { id } = await later(app, "never", hourMs);
      await app.mutation("scheduling:cancel", { id });
      expect(await job(app, id)).toMatchObject({ state: { kind: "canceled" } });
      const own = await app.mutation<string>("scheduling:scheduleAndCancel");
      const ofAction = await app.action<string>("scheduling:cancelFromAction");
      await app.settle();
      expect(await notes(app)).toEqual([]);
      for (const canceled of [own, ofAction])
        expect(await job(app, canceled)).toMatchObject({ state: { kind: "canceled" } });
    },
  );

  check(
    "to cancel what has run changes nothing",
    {
      source: sources.scheduledJobs,
      says: "cancel acts on pending and inProgress jobs; others have been completed",
    },
    async (app) => {
      const { id } = await later(app, "now", 0);
      await app.settle();
      await app.mutation("scheduling:cancel", { id });
      expect(await job(app, id)).toMatchObject({ state: { kind: "success" } });
    },
  );

  check(
    "identity is not handed on",
    says("auth is not propagated to the scheduled function"),
    async (app) => {
      const identity = { subject: "ann", issuer: "https://id.test", tokenIdentifier: "https://id.test|ann" };
      const args = { name: "noteIdentity", args: {}, delayMs: 0 };
      await app.mutation("scheduling:runLater", args, { identity });
      await app.settle();
      expect(await notes(app)).toEqual(["nobody"]);
    },
  );

  check(
    "a function that does not exist cannot be scheduled",
    { source: sources.backendScheduler, says: "test_schedule_missing_function: scheduling it throws" },
    async (app) => {
      const args = { name: "missing", args: {}, delayMs: hourMs };
      const { reason } = await app.refusal("mutation", "scheduling:runLater", args);
      expect(reason).toMatch(/missing/);
    },
  );

  check(
    "a delay below zero, or of more than five years, is refused",
    { source: sources.backendScheduler, says: "test_invalid_schedule" },
    async (app) => {
      const args = { text: "never" };
      await app.refusal("mutation", "scheduling:noteLater", { ...args, delayMs: -2_000 });
      await app.refusal("mutation", "scheduling:noteLater", { ...args, delayMs: 10 * 365 * 24 * hourMs });
    },
  );

  check(
    "arguments that the function refuses make the job fail",
    {
      source: sources.backendSchedule,
      says: "validate_schedule_args checks path and time; arguments when it runs",
    },
    async (app) => {
      const id = await runLater(app, "note", { text: 5 });
      await app.settle();
      expect(await notes(app)).toEqual([]);
      expect(await job(app, id)).toMatchObject({ state: { kind: "failed" } });
    },
  );

  check(
    "what is canceled while it runs goes on, but what it schedules never runs",
    says("if it already started, it will continue to run, but any functions it schedules will not run"),
    async (app) => {
      const id = await runLater(app, "cancelItself");
      await app.settle();
      expect(await notes(app)).toEqual(["went on"]);
      expect(await job(app, id)).toMatchObject({ state: { kind: "canceled" } });
    },
  );

  check(
    "a job that was canceled tells when",
    { source: sources.scheduledJobs, says: "cancel completes the job: completed_ts is set" },
    async (app) => {
      const { id } = await later(app, "never", hourMs);
      await app.mutation("scheduling:cancel", { id });
      expect(await job(app, id)).toMatchObject({ completedTime: expect.any(Number) });
    },
  );

  check(
    "jobs are found page by page",
    { source: sources.systemTables, says: "pagination can be used to enumerate all documents" },
    async (app) => {
      for (const text of ["a", "b", "c"]) await later(app, text, hourMs);
      type Jobs = { page: { args: [{ text: string }] }[]; continueCursor: string };
      const first = await app.query<Jobs>("scheduling:jobPage", { cursor: null });
      const second = await app.query<Jobs>("scheduling:jobPage", { cursor: first.continueCursor });
      const texts = [...first.page, ...second.page].map(({ args }) => args[0].text);
      expect(texts).toEqual(["c", "b", "a"]);
    },
  );
});
