import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextRunAfter, readSchedule, withChosenMinute, type CronSchedule } from "./schedule.js";

const at = (time: string) => Date.parse(`${time}Z`);
const show = (ms: number) => new Date(ms).toISOString().replace(/:00\.000Z$/, "");

describe("the next run", () => {
  const minute = { type: "interval", minutes: 1 } as const;
  test.each<[string, CronSchedule, string, string | undefined, string]>([
    ["an interval, first", minute, "2023-03-01T08:35", undefined, "2023-03-01T08:35"],
    ["an interval, later", minute, "2023-03-01T08:35", "2023-03-01T08:35", "2023-03-01T08:36"],
    ["an interval, behind", minute, "2023-03-01T08:39:30", "2023-03-01T08:35", "2023-03-01T08:40"],
    ["an interval, ahead", minute, "2023-03-01T08:35", "2023-03-01T08:50", "2023-03-01T08:51"],
    [
      "an interval of hours",
      { type: "interval", hours: 2 },
      "2023-03-01T08:00",
      "2023-03-01T07:30",
      "2023-03-01T09:30",
    ],
    ["hourly", { type: "hourly", minuteUTC: 5 }, "2023-03-01T08:35", undefined, "2023-03-01T09:05"],
    [
      "hourly, again",
      { type: "hourly", minuteUTC: 5 },
      "2023-03-01T09:05",
      "2023-03-01T09:05",
      "2023-03-01T10:05",
    ],
    [
      "hourly, behind",
      { type: "hourly", minuteUTC: 5 },
      "2023-03-01T12:05",
      "2023-03-01T09:05",
      "2023-03-01T12:05",
    ],
    [
      "daily",
      { type: "daily", hourUTC: 8, minuteUTC: 30 },
      "2023-02-28T08:35",
      undefined,
      "2023-03-01T08:30",
    ],
    [
      "weekly",
      { type: "weekly", dayOfWeek: "tuesday", hourUTC: 12, minuteUTC: 30 },
      "2023-02-28T08:35",
      undefined,
      "2023-02-28T12:30",
    ],
    [
      "weekly, Sunday",
      { type: "weekly", dayOfWeek: "sunday", hourUTC: 0, minuteUTC: 0 },
      "2023-02-28T08:35",
      undefined,
      "2023-03-05T00:00",
    ],
    [
      "monthly",
      { type: "monthly", day: 1, hourUTC: 12, minuteUTC: 30 },
      "2023-02-28T08:35",
      "2023-03-01T12:30",
      "2023-04-01T12:30",
    ],
    [
      "monthly, on a day that February lacks",
      { type: "monthly", day: 30, hourUTC: 0, minuteUTC: 0 },
      "2023-01-31T00:00",
      undefined,
      "2023-03-30T00:00",
    ],
    [
      "a cron string",
      { type: "cron", cron: "0 12 * * 1,5" },
      "2023-02-28T08:35",
      undefined,
      "2023-03-03T12:00",
    ],
    [
      "a cron string that names both days",
      { type: "cron", cron: "0 0 13 * 5" },
      "2023-03-10T00:00",
      undefined,
      "2023-03-13T00:00",
    ],
    [
      "a cron string with steps",
      { type: "cron", cron: "5/15 * * * *" },
      "2023-02-28T08:35",
      undefined,
      "2023-02-28T08:50",
    ],
    ["a leap day", { type: "cron", cron: "0 0 29 2 *" }, "2023-02-28T08:35", undefined, "2024-02-29T00:00"],
    [
      "over the change to summer time",
      { type: "daily", hourUTC: 2, minuteUTC: 30 },
      "2023-03-25T12:00",
      undefined,
      "2023-03-26T02:30",
    ],
  ])("%s", (_, schedule, after, previous, expected) => {
    const previousRun = previous === undefined ? undefined : at(previous);
    expect(show(nextRunAfter(schedule, at(after), previousRun))).toBe(expected);
  });
});

const schedules = fc.oneof(
  fc.integer({ min: 1, max: 90_000 }).map((seconds) => ({ type: "interval", seconds }) as const),
  fc.integer({ min: 0, max: 59 }).map((minuteUTC) => ({ type: "hourly", minuteUTC }) as const),
  fc
    .record({ hourUTC: fc.integer({ min: 0, max: 23 }), minuteUTC: fc.integer({ min: 0, max: 59 }) })
    .map((time) => ({ type: "daily", ...time }) as const),
  fc
    .constantFrom("*/7 * * * *", "0 0 1 * *", "15 7 * * 1-5")
    .map((cron) => ({ type: "cron", cron }) as const),
);
const times = fc.integer({ min: at("2020-01-01T00:00"), max: at("2030-01-01T00:00") });

test("a next run is after the one before, not in the past, and the same when asked again before it", () => {
  fc.assert(
    fc.property(schedules, times, fc.nat(40 * 86_400_000), (schedule, previousRun, later) => {
      const after = previousRun + later;
      const next = nextRunAfter(schedule, after, previousRun);
      expect(next).toBeGreaterThan(previousRun);
      expect(next).toBeGreaterThanOrEqual(after);
      expect(nextRunAfter(schedule, next, previousRun)).toBe(next);
    }),
    { seed: 1 },
  );
});

test("a minute that is not named follows from the seed, and spreads over the hour", () => {
  const hourly = { type: "hourly" } as const;
  const minutes = Array.from({ length: 300 }, (_, n) => withChosenMinute(hourly, `:cron ${n}`));
  expect(withChosenMinute(hourly, ":cron 7")).toEqual(minutes[7]);
  const chosen = new Set(
    minutes.map((schedule) => ("minuteUTC" in schedule ? schedule.minuteUTC : undefined)),
  );
  expect(chosen.size).toBeGreaterThan(40);
  expect([...chosen].every((minute) => minute !== undefined && minute >= 0 && minute < 60)).toBe(true);
  const named = { type: "daily", hourUTC: 1, minuteUTC: 0 } as const;
  expect(withChosenMinute(named, "any")).toBe(named);
});

test.each([
  [null, "Invalid JSON"],
  [{ type: "yearly" }, "Invalid JSON"],
  [{ type: "constructor" }, "Invalid JSON"],
  [{ type: "interval" }, "Exactly one of (seconds, minutes, hours) should be specified"],
  [
    { type: "interval", seconds: 1, hours: 1 },
    "Exactly one of (seconds, minutes, hours) should be specified",
  ],
  [{ type: "interval", seconds: 0 }, "Interval must be an integer greater than 0"],
  [{ type: "hourly", minuteUTC: 60 }, "minuteUTC must be 0-59 in {"],
  [{ type: "daily", minuteUTC: 0 }, "hourUTC must be 0-23 in {"],
  [{ type: "weekly", dayOfWeek: "Monday", hourUTC: 0 }, "Invalid JSON"],
  [{ type: "monthly", day: 32, hourUTC: 0 }, "day of month must be 1-31 in {"],
  [{ type: "cron", cron: "61 * * * *" }, "Failed to parse cron expression"],
  [{ type: "cron", cron: "0 12 * * 7" }, "Failed to parse cron expression"],
  [{ type: "cron", cron: "@daily" }, "Failed to parse cron expression"],
  [{ type: "cron", cron: "* * * * * *" }, "Failed to parse cron expression"],
  [{ type: "cron", cron: "0 0 31 2 *" }, 'The cron spec "0 0 31 2 *" will never match any time'],
])("%j is refused: %s", (schedule, message) => {
  expect(() => readSchedule(schedule)).toThrow(message);
});
