import type { JSONValue } from "convex/values";
import type { Runtime, RuntimeComponent } from "../engine/engine.js";
import { dayNumber, periodMs, readSchedule, withChosenMinute, type CronSchedule } from "./schedule.js";

/** A cron of the app or of one of its components. */
export interface CronSpec {
  /** Where the component is mounted; the app: "". */
  readonly component: string;
  /** What the app calls it, once in each component. */
  readonly name: string;
  readonly kind: "mutation" | "action";
  /** `folder/module:name`, in that component. It may be internal. */
  readonly functionPath: string;
  /** The arguments object, as Convex JSON. */
  readonly args: JSONValue;
  /** With its minute, where Convex picks one. */
  readonly schedule: CronSchedule;
}

/** A cron as a deployment describes it in the analysis of `crons.js`. */
export interface CronAnalysis {
  readonly identifier: string;
  readonly spec: {
    readonly udfPath: string;
    /** The arguments' JSON, as the bytes of its text. */
    readonly udfArgs: readonly number[];
    readonly cronSchedule: Readonly<Record<string, JSONValue>>;
  };
}

/** A push whose crons cannot be: the message is as Convex's backend words it. */
export class CronError extends Error {
  override readonly name = "CronError";
}

/**
 * The crons of an app and of the components that are mounted in it. A definition that is mounted twice has its
 * crons twice.
 *
 * @throws CronError if a `crons` module is none, a schedule cannot be, or its function is none to schedule
 */
export function readCronSpecs({ root, components }: Runtime): CronSpec[] {
  return [{ path: "", ...root }, ...components].flatMap(({ path, modules }) => readCrons(path, modules));
}

/** The crons of one component. @throws CronError as `readCronSpecs` */
export function readCrons(component: string, modules: RuntimeComponent["modules"]): CronSpec[] {
  return exportedCrons(modules).map(([name, exported]) => {
    const { module, functionName } = addressOf(exported.name);
    return {
      component,
      name,
      kind: kindOfTarget(name, modules[module]?.[functionName], `${module}.js:${functionName}`),
      functionPath: `${module}:${functionName}`,
      args: exported.args[0] ?? {},
      schedule: withChosenMinute(exported.schedule, `${component}:${name}`),
    };
  });
}

/** What a deployment says about the `crons` of a component; null: it has none. @throws CronError */
export function analyzeCrons(modules: RuntimeComponent["modules"]): CronAnalysis[] | null {
  if (modules["crons"] === undefined) return null;
  readCrons("", modules);
  return exportedCrons(modules).map(([identifier, { name, args, schedule }]) => {
    const { module, functionName } = addressOf(name);
    const udfArgs = [...Buffer.from(JSON.stringify(args))];
    const udfPath = `${module}.js:${functionName}`;
    return { identifier, spec: { udfPath, udfArgs, cronSchedule: storedSchedule(schedule) } };
  });
}

interface ExportedCron {
  readonly name: string;
  readonly args: readonly JSONValue[];
  readonly schedule: CronSchedule;
}

function exportedCrons(modules: RuntimeComponent["modules"]): [string, ExportedCron][] {
  const module = modules["crons"];
  if (module === undefined) return [];
  if (!("default" in module))
    throw new CronError("`convex/crons.js` must have a default export of a Crons object.");
  const crons = module["default"] as { isCrons?: unknown; export?: unknown } | null | undefined;
  if (crons?.isCrons !== true)
    throw new CronError("The default export of `convex/crons.js` is not a Crons object.");
  if (typeof crons.export !== "function") throw new CronError(".export property on Crons object not found");
  const exported = JSON.parse((crons.export as () => string).call(crons)) as Record<string, ExportedCron>;
  return Object.entries(exported).map(([name, cron]) => [name, readCron(cron)]);
}

function readCron({ name, args, schedule }: ExportedCron): ExportedCron {
  if (typeof name !== "string" || !Array.isArray(args)) throw new CronError("Invalid JSON");
  try {
    return { name, args, schedule: readSchedule(schedule) };
  } catch (error) {
    throw new CronError((error as Error).message);
  }
}

/** `folder/module:name`, with or without the file's ending; without a name it is the default export. */
function addressOf(path: string): { module: string; functionName: string } {
  const [module = "", functionName = "default"] = path.split(":");
  return { module: module.replace(/\.js$/, ""), functionName };
}

function kindOfTarget(cron: string, target: unknown, path: string): "mutation" | "action" {
  const found = (target ?? {}) as Partial<Record<"isQuery" | "isMutation" | "isAction", boolean>>;
  if (found.isMutation) return "mutation";
  if (found.isAction) return "action";
  const isQuery = found.isQuery === true;
  throw new CronError(
    isQuery
      ? `The cron job '${cron}' schedules a query function, only actions and mutations can be scheduled: ${path}`
      : `The cron job '${cron}' schedules a function that does not exist: ${path}`,
  );
}

/** A schedule as a deployment stores it: intervals in seconds, days as numbers. */
function storedSchedule(schedule: CronSchedule): Record<string, JSONValue> {
  switch (schedule.type) {
    case "interval":
      return { type: "interval", seconds: periodMs(schedule) / 1000 };
    case "cron":
      return { type: "cron", cronExpr: schedule.cron };
    case "weekly":
      return { ...schedule, dayOfWeek: dayNumber(schedule.dayOfWeek) };
    default:
      return { ...schedule };
  }
}
