import { Cron } from "croner";

const daysOfWeek = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;
export type DayOfWeek = (typeof daysOfWeek)[number];

/** When a cron is due, as `crons.export()` of `convex/server` writes it. All times are UTC. */
export type CronSchedule =
  | { readonly type: "interval"; readonly seconds: number }
  | { readonly type: "interval"; readonly minutes: number }
  | { readonly type: "interval"; readonly hours: number }
  | { readonly type: "hourly"; readonly minuteUTC?: number }
  | { readonly type: "daily"; readonly hourUTC: number; readonly minuteUTC?: number }
  | {
      readonly type: "weekly";
      readonly dayOfWeek: DayOfWeek;
      readonly hourUTC: number;
      readonly minuteUTC?: number;
    }
  | { readonly type: "monthly"; readonly day: number; readonly hourUTC: number; readonly minuteUTC?: number }
  | { readonly type: "cron"; readonly cron: string };

type IntervalSchedule = Extract<CronSchedule, { type: "interval" }>;
type CalendarSchedule = Exclude<CronSchedule, IntervalSchedule>;

/**
 * When a cron runs next.
 *
 * An interval counts from the time the run before was due, not from when it ended; its first run is at once
 * (`next_ts.rs` of get-convex/convex-backend). A calendar's runs are where the calendar says, after both times.
 *
 * @param after ms since 1970, UTC. Without `previousRun` a calendar's next run is later than this; with it, not earlier
 * @param previousRun when the run before was due, in ms
 * @returns ms since 1970
 * @throws Error if the schedule cannot be read, or no time ever matches it
 * @example nextRunAfter({ type: "interval", seconds: 30 }, 100_000, 60_000) // 120_000
 */
export function nextRunAfter(schedule: CronSchedule, after: number, previousRun?: number): number {
  if (schedule.type === "interval") {
    if (previousRun === undefined) return after;
    const period = periodMs(schedule);
    return previousRun + period * Math.max(1, Math.ceil((after - previousRun) / period));
  }
  const base = previousRun === undefined ? after : Math.max(previousRun, after - 1);
  const pattern = patternOf(schedule);
  const next = parsePattern(pattern).nextRun(new Date(base));
  if (next === null) throw new Error(`The cron spec ${JSON.stringify(pattern)} will never match any time`);
  return next.getTime();
}

/**
 * The schedule with its minute. Where it names none, Convex picks one and spreads the crons over the hour: here
 * it follows from `seed`, so it stays from push to push.
 */
export function withChosenMinute(schedule: CronSchedule, seed: string): CronSchedule {
  if (schedule.type === "interval" || schedule.type === "cron" || schedule.minuteUTC !== undefined)
    return schedule;
  let hash = 0;
  for (const character of seed) hash = (Math.imul(hash, 31) + character.codePointAt(0)!) >>> 0;
  return { ...schedule, minuteUTC: hash % 60 };
}

export function periodMs(schedule: IntervalSchedule): number {
  if ("seconds" in schedule) return schedule.seconds * 1000;
  return "minutes" in schedule ? schedule.minutes * 60_000 : schedule.hours * 3_600_000;
}

/** A number for a day, Sunday first, as cron strings have it. */
export function dayNumber(day: DayOfWeek): number {
  return daysOfWeek.indexOf(day);
}

/** The five fields of a cron string. A minute that is not named is the full hour: see `withChosenMinute`. */
function patternOf(schedule: CalendarSchedule): string {
  if (schedule.type === "cron") return schedule.cron;
  const minute = schedule.minuteUTC ?? 0;
  switch (schedule.type) {
    case "hourly":
      return `${minute} * * * *`;
    case "daily":
      return `${minute} ${schedule.hourUTC} * * *`;
    case "weekly":
      return `${minute} ${schedule.hourUTC} * * ${dayNumber(schedule.dayOfWeek)}`;
    case "monthly":
      return `${minute} ${schedule.hourUTC} ${schedule.day} * *`;
  }
}

/** Croner reads a little more than Convex's parser, saffron: names for whole patterns, and 7 for Sunday. */
function parsePattern(pattern: string): Cron {
  const fields = pattern.trim().split(/\s+/);
  if (fields.length !== 5) throw parseError(`${JSON.stringify(pattern)} does not have five fields.`);
  if (/(^|[,-])7/.test(fields[4]!)) throw parseError("Days of the week are 0 (Sunday) to 6 (Saturday).");
  try {
    return new Cron(pattern, { mode: "5-part", timezone: "UTC", sloppyRanges: true, paused: true });
  } catch (error) {
    throw parseError((error as Error).message);
  }
}

function parseError(detail: string): Error {
  return new Error(`Failed to parse cron expression: ${detail}`);
}

const ranges = {
  minuteUTC: { name: "minuteUTC", from: 0, to: 59 },
  hourUTC: { name: "hourUTC", from: 0, to: 23 },
  day: { name: "day of month", from: 1, to: 31 },
} as const;

const fieldsOf: Readonly<Record<string, readonly (keyof typeof ranges)[]>> = {
  hourly: [],
  daily: ["hourUTC"],
  weekly: ["hourUTC"],
  monthly: ["hourUTC", "day"],
};

/**
 * Reads a schedule that an app made, however it made it.
 *
 * @throws Error with the words of Convex's backend (`cron_jobs/types.rs`)
 */
export function readSchedule(json: unknown): CronSchedule {
  if (json === null || typeof json !== "object") throw new Error("Invalid JSON");
  const schedule = json as { type?: unknown } & Record<string, unknown>;
  if (schedule.type === "interval") checkInterval(schedule);
  else if (schedule.type === "cron") checkPattern(schedule["cron"]);
  else checkCalendar(schedule);
  return schedule as unknown as CronSchedule;
}

function checkInterval(schedule: Readonly<Record<string, unknown>>): void {
  const lengths = ["seconds", "minutes", "hours"].flatMap((unit) => schedule[unit] ?? []);
  if (lengths.length !== 1) throw new Error("Exactly one of (seconds, minutes, hours) should be specified");
  if (!Number.isInteger(lengths[0]) || (lengths[0] as number) <= 0)
    throw new Error("Interval must be an integer greater than 0");
}

function checkPattern(pattern: unknown): void {
  if (typeof pattern !== "string") throw new Error("Invalid JSON");
  nextRunAfter({ type: "cron", cron: pattern }, 0);
}

function checkCalendar(schedule: Readonly<Record<string, unknown>>): void {
  const type = String(schedule["type"]);
  const required = Object.hasOwn(fieldsOf, type) ? fieldsOf[type] : undefined;
  if (required === undefined) throw new Error("Invalid JSON");
  const isDay = daysOfWeek.some((day) => day === schedule["dayOfWeek"]);
  if (type === "weekly" && !isDay) throw new Error("Invalid JSON");
  const given = schedule["minuteUTC"] === undefined ? required : [...required, "minuteUTC" as const];
  for (const field of given) {
    const { name, from, to } = ranges[field];
    const value = schedule[field];
    if (!Number.isInteger(value) || (value as number) < from || (value as number) > to)
      throw new Error(`${name} must be ${from}-${to} in ${JSON.stringify(schedule, null, 2)}`);
  }
}
