// For tests: a runner of crons over a clock that stands until it is set.
import type { Clock } from "../clock.js";
import { CronRunner, type CronRunnerOptions } from "./cronRunner.js";
import type { CronSpec } from "./cronSpecs.js";

export const every = (name: string, seconds: number): CronSpec => ({
  component: "",
  name,
  kind: "mutation",
  functionPath: `m:${name}`,
  args: {},
  schedule: { type: "interval", seconds },
});

/** Lets everything happen that needs no time. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

export class ManualClock implements Clock {
  #now = 0;
  readonly #waiting = new Set<{ readonly ms: number; readonly wake: () => void }>();

  now(): number {
    return this.#now;
  }

  at(ms: number, wake: () => void): () => void {
    const waiting = { ms, wake };
    this.#waiting.add(waiting);
    return () => void this.#waiting.delete(waiting);
  }

  get timers(): number {
    return this.#waiting.size;
  }

  /** When the next timer is due. */
  get next(): number | undefined {
    const due = [...this.#waiting].map(({ ms }) => ms);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  set(ms: number): void {
    this.#now = ms;
    for (const waiting of [...this.#waiting]) if (waiting.ms <= ms) this.#wake(waiting);
  }

  /** As a timer does that cannot wait long enough. */
  wakeEarly(): void {
    for (const waiting of [...this.#waiting]) this.#wake(waiting);
  }

  #wake(waiting: { readonly ms: number; readonly wake: () => void }): void {
    if (this.#waiting.delete(waiting)) waiting.wake();
  }
}

interface Advance {
  /** Every run ends at once. */
  readonly isQuick?: boolean;
  /** As many runs are enough. */
  readonly until?: number;
  readonly stepMs?: number;
}

export class CronsUnderTest {
  readonly clock = new ManualClock();
  /** `name at second`. */
  readonly begun: string[] = [];
  readonly skipped: string[] = [];
  readonly errors: string[] = [];
  readonly #running = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  readonly options: CronRunnerOptions = {
    clock: this.clock,
    run: (spec) => this.#run(spec),
    onError: ({ name }, error) => this.errors.push(`${name}: ${(error as Error).message}`),
    onSkip: ({ name }, missed) => this.skipped.push(`${name} from ${missed / 1000}`),
  };
  readonly runner = new CronRunner(this.options);

  get running(): string[] {
    return [...this.#running.keys()];
  }

  async end(name: string, atMs?: number): Promise<void> {
    if (atMs !== undefined) this.clock.set(atMs);
    this.#running.get(name)?.resolve();
    await settle();
  }

  async fail(name: string, error: Error): Promise<void> {
    this.#running.get(name)?.reject(error);
    await settle();
  }

  async advanceTo(
    ms: number,
    { isQuick = false, until = Infinity, stepMs = 1000 }: Advance = {},
  ): Promise<void> {
    for (;;) {
      if (isQuick) for (const name of this.running) await this.end(name);
      if (this.clock.now() >= ms || this.begun.length >= until) return;
      this.clock.set(Math.min(ms, this.clock.now() + stepMs));
      await settle();
    }
  }

  #run(spec: CronSpec): Promise<void> {
    const name = spec.component === "" ? spec.name : `${spec.component}/${spec.name}`;
    if (this.#running.has(name)) throw new Error(`${name} runs twice at once`);
    this.begun.push(`${name} at ${this.clock.now() / 1000}`);
    return new Promise((resolve, reject) => {
      const over = () => this.#running.delete(name);
      this.#running.set(name, {
        resolve: () => (over(), resolve()),
        reject: (error) => (over(), reject(error)),
      });
    });
  }
}
