import {
  cronJobs,
  internalMutationGeneric,
  actionGeneric,
  makeFunctionReference,
  queryGeneric,
} from "convex/server";
import { expect, test } from "vitest";
import { analyzeCrons, CronError, readCronSpecs } from "./cronSpecs.js";

const send = makeFunctionReference<"mutation">("mail/letters:send");
const fetchAll = makeFunctionReference<"action">("feeds");
const handler = async () => null;
const modules = {
  "mail/letters": { send: internalMutationGeneric({ handler }), list: queryGeneric({ handler }) },
  feeds: { default: actionGeneric({ handler }) },
};
const component = (crons?: unknown) => ({
  schema: null,
  modules: { ...modules, ...(crons === undefined ? {} : { crons: { default: crons } }) },
});

test("the crons of the app and of each mount of a component are read with function, arguments and schedule", () => {
  const crons = cronJobs();
  crons.interval("send letters", { minutes: 5 }, send, { to: "a", at: 1n });
  crons.weekly("fetch", { dayOfWeek: "monday", hourUTC: 3, minuteUTC: 0 }, fetchAll);
  const inner = cronJobs();
  inner.cron("inner", "0 0 * * *", send);
  const mounted = component(inner);
  const components = [
    { path: "one", ...mounted },
    { path: "one/two", ...mounted },
  ];
  const send5 = { kind: "mutation", functionPath: "mail/letters:send" };
  const nightly = { ...send5, name: "inner", args: {}, schedule: { type: "cron", cron: "0 0 * * *" } };
  expect(readCronSpecs({ root: component(crons), components })).toEqual([
    {
      ...send5,
      component: "",
      name: "send letters",
      args: { to: "a", at: { $integer: "AQAAAAAAAAA=" } },
      schedule: { type: "interval", minutes: 5 },
    },
    {
      component: "",
      name: "fetch",
      kind: "action",
      functionPath: "feeds:default",
      args: {},
      schedule: { type: "weekly", dayOfWeek: "monday", hourUTC: 3, minuteUTC: 0 },
    },
    { ...nightly, component: "one" },
    { ...nightly, component: "one/two" },
  ]);
});

test("a minute that is left out is chosen, and the same at the next push", () => {
  const read = () => {
    const crons = cronJobs();
    crons.hourly("any time", send);
    return readCronSpecs({ root: component(crons), components: [] })[0]!.schedule;
  };
  expect(read()).toEqual({ type: "hourly", minuteUTC: expect.any(Number) as number });
  expect(read()).toEqual(read());
});

test("the analysis has the crons as a deployment stores them", () => {
  const crons = cronJobs();
  crons.weekly("fetch", { dayOfWeek: "tuesday", hourUTC: 3 }, fetchAll, { n: 1 });
  crons.interval("send", { hours: 2 }, send);
  expect(analyzeCrons(component(crons).modules)).toEqual([
    {
      identifier: "fetch",
      spec: {
        udfPath: "feeds.js:default",
        udfArgs: [...Buffer.from('[{"n":1}]')],
        cronSchedule: { type: "weekly", dayOfWeek: 2, hourUTC: 3 },
      },
    },
    {
      identifier: "send",
      spec: {
        udfPath: "mail/letters.js:send",
        udfArgs: [...Buffer.from("[{}]")],
        cronSchedule: { type: "interval", seconds: 7200 },
      },
    },
  ]);
  expect(analyzeCrons(component().modules)).toBeNull();
});

const crontab = (name: string) => ({
  isCrons: true,
  export: () => JSON.stringify({ job: { name, args: [{}], schedule: { type: "interval", seconds: 1 } } }),
});

test.each([
  [
    "a function that is not there",
    crontab("mail/letters:gone"),
    "The cron job 'job' schedules a function that does not exist: mail/letters.js:gone",
  ],
  [
    "a module that is not there",
    crontab("mail:send"),
    "The cron job 'job' schedules a function that does not exist: mail.js:send",
  ],
  [
    "a query",
    crontab("mail/letters.js:list"),
    "The cron job 'job' schedules a query function, only actions and mutations can be scheduled: mail/letters.js:list",
  ],
  ["something else", {}, "The default export of `convex/crons.js` is not a Crons object."],
  ["nothing", null, "The default export of `convex/crons.js` is not a Crons object."],
  ["what cannot be exported", { isCrons: true }, ".export property on Crons object not found"],
  [
    "a schedule that cannot be",
    { isCrons: true, export: () => '{"job":{"name":"feeds","args":[{}],"schedule":{"type":"yearly"}}}' },
    "Invalid JSON",
  ],
])("crons with %s are refused as Convex refuses them", (_, crons, message) => {
  const read = () => readCronSpecs({ root: component(crons), components: [] });
  expect(read).toThrow(CronError);
  expect(read).toThrow(message);
});

test("a crons module without a default export is refused", () => {
  const root = { schema: null, modules: { crons: { jobs: cronJobs() } } };
  expect(() => readCronSpecs({ root, components: [] })).toThrow(
    "must have a default export of a Crons object",
  );
});

test("functions of child components and function handles are refused where the cron is defined", () => {
  const handle = "function://abc;mail:send" as unknown as typeof send;
  expect(() => cronJobs().interval("job", { seconds: 1 }, handle)).toThrow(/received function handle/);
});
