import type { Clock } from "../clock.js";
import type { CronSpec } from "./cronSpecs.js";
import { nextRunAfter, type CronSchedule } from "./schedule.js";

/** What is kept of a cron over a restart: plain data. */
export interface CronState {
  readonly component: string;
  readonly name: string;
  readonly schedule: CronSchedule;
  /** When the last run that ended was due, in ms; null: none has. */
  readonly lastRun: number | null;
  /** When the next run is due, in ms. While it runs: when that run was due; that is `lastRun` once it has ended. */
  readonly nextRun: number;
  readonly isRunning: boolean;
}

/** What a push did to the crons, by name, the component's in front: `pool/clean up`. */
export interface CronChanges {
  readonly added: readonly string[];
  readonly updated: readonly string[];
  readonly deleted: readonly string[];
}

export interface CronRunnerOptions {
  readonly clock: Clock;
  /** Runs a cron's function, for the time `due`, in ms. What it rejects with goes to `onError`; the next run comes all the same. */
  readonly run: (spec: CronSpec, due: number) => Promise<void>;
  readonly onError?: (spec: CronSpec, error: unknown) => void;
  /** Runs from `missed` on, in ms, were left out, because the one before still ran or nothing did. */
  readonly onSkip?: (spec: CronSpec, missed: number) => void;
  /** `state()` would answer something else than before. */
  readonly onChange?: () => void;
}

interface Job {
  spec: CronSpec;
  lastRun: number | null;
  nextRun: number;
}

/**
 * Runs crons when they are due, each at most once at a time. One timer serves all.
 *
 *     waiting --due--> running --ended--> waiting, for the first run that is not past
 *        |                |
 *        +-- removed -----+--> gone, once the run has ended
 *
 * As in production (`crates/application/src/cron_jobs`): a run that is overdue comes once, late; runs that are
 * missed meanwhile are left out. A push keeps the next run of a cron whose schedule is the same. A run that a
 * stop broke off is repeated if it is a mutation whose end is not on record, and left out if it is an action.
 *
 * @example
 * const crons = new CronRunner({ clock: systemClock, run: (spec) => engine.runCron(spec) });
 * crons.restore(saved);
 * crons.replace(readCronSpecs(runtime));
 * crons.start();
 */
export class CronRunner {
  readonly #options: CronRunnerOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #restored = new Map<string, CronState>();
  /** Keys of crons that run; they may have been removed since. */
  readonly #running = new Set<string>();
  #isStarted = false;
  #cancelTimer: (() => void) | null = null;

  constructor(options: CronRunnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isStarted = true;
    this.#runDue();
  }

  /** Nothing begins any more; what runs ends by itself. */
  stop(): void {
    this.#isStarted = false;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** Takes over what was kept, for the next `replace`. */
  restore(state: readonly CronState[]): void {
    for (const cron of state) this.#restored.set(keyOf(cron), cron);
  }

  /** Puts the crons of a push in the place of those before. */
  replace(specs: readonly CronSpec[]): CronChanges {
    const before = new Map(this.#jobs);
    this.#jobs.clear();
    for (const spec of specs) {
      const key = keyOf(spec);
      this.#jobs.set(key, this.#jobFor(spec, before.get(key)));
    }
    this.#restored.clear();
    this.#options.onChange?.();
    this.#runDue();
    return changesOf(before, this.#jobs);
  }

  state(): CronState[] {
    return [...this.#jobs].map(([key, { spec, lastRun, nextRun }]) => {
      const { component, name, schedule } = spec;
      return { component, name, schedule, lastRun, nextRun, isRunning: this.#running.has(key) };
    });
  }

  #jobFor(spec: CronSpec, known: Job | undefined): Job {
    const now = this.#options.clock.now();
    const kept = known ?? this.#restoredJob(spec, now);
    if (kept === undefined) return { spec, lastRun: null, nextRun: nextRunAfter(spec.schedule, now) };
    const { lastRun } = kept;
    if (isSame(kept.spec.schedule, spec.schedule)) return { spec, lastRun, nextRun: kept.nextRun };
    return { spec, lastRun, nextRun: nextRunAfter(spec.schedule, now, lastRun ?? undefined) };
  }

  #restoredJob(spec: CronSpec, now: number): Job | undefined {
    const kept = this.#restored.get(keyOf(spec));
    if (kept === undefined) return undefined;
    const { schedule, lastRun, nextRun } = kept;
    const job = { spec: { ...spec, schedule }, lastRun, nextRun };
    // Nobody knows how far an action came: it is run at most once.
    if (lastRun === nextRun || (kept.isRunning && spec.kind === "action")) this.#advance(job, nextRun, now);
    return job;
  }

  /** Begins what is due, in the order in which it was, and waits for the next. */
  #runDue(): void {
    if (!this.#isStarted) return;
    const now = this.#options.clock.now();
    const waiting = [...this.#jobs].filter(([key]) => !this.#running.has(key));
    const due = waiting.filter(([, job]) => job.nextRun <= now).sort(([, a], [, b]) => a.nextRun - b.nextRun);
    for (const [key, job] of due) void this.#run(key, job);
    const later = waiting.filter(([, job]) => job.nextRun > now).map(([, job]) => job.nextRun);
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (later.length > 0)
      this.#cancelTimer = this.#options.clock.at(Math.min(...later), () => this.#runDue());
  }

  async #run(key: string, { spec, nextRun: due }: Job): Promise<void> {
    this.#running.add(key);
    this.#options.onChange?.();
    try {
      await this.#options.run(spec, due);
    } catch (error) {
      this.#options.onError?.(spec, error);
    }
    this.#running.delete(key);
    // A push may have put another in its place while it ran, or none.
    const job = this.#jobs.get(key);
    const now = this.#options.clock.now();
    if (job !== undefined && (job.nextRun <= due || job.nextRun < now)) this.#advance(job, due, now);
    this.#options.onChange?.();
    this.#runDue();
  }

  /** The run that was due at `due` is over. */
  #advance(job: Job, due: number, now: number): void {
    const following = nextRunAfter(job.spec.schedule, due, due);
    job.lastRun = due;
    job.nextRun = nextRunAfter(job.spec.schedule, now, due);
    if (following < job.nextRun) this.#options.onSkip?.(job.spec, following);
  }
}

/** What tells a cron from all others. */
export function keyOf({ component, name }: { readonly component: string; readonly name: string }): string {
  return JSON.stringify([component, name]);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

function changesOf(before: ReadonlyMap<string, Job>, after: ReadonlyMap<string, Job>): CronChanges {
  const names = (keys: Iterable<string>) =>
    [...keys].map((key) => (JSON.parse(key) as string[]).filter((part) => part !== "").join("/"));
  const isUpdated = (key: string) => {
    const old = before.get(key);
    return old !== undefined && JSON.stringify(old.spec) !== JSON.stringify(after.get(key)?.spec);
  };
  return {
    added: names([...after.keys()].filter((key) => !before.has(key))),
    updated: names([...after.keys()].filter(isUpdated)),
    deleted: names([...before.keys()].filter((key) => !after.has(key))),
  };
}
