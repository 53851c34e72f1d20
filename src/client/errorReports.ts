import { reportUncaught, type Emitter } from "./base/events.js";
import type { InspectedError } from "./base/inspection.js";
import type { ReplicaEvents } from "./base/types.js";
import type { Clock } from "./ports/clock.js";

/** Errors that an inspection shows. */
const mostErrors = 20;

/** Tells of errors, and remembers the last of them. */
export class ErrorReports {
  readonly last: InspectedError[] = [];
  readonly #clock: Clock;
  readonly #emitter: Emitter<ReplicaEvents["error"]>;

  constructor(clock: Clock, emitter: Emitter<ReplicaEvents["error"]>) {
    this.#clock = clock;
    this.#emitter = emitter;
  }

  /** @param dataAtRisk something the user wrote is in danger: if nobody listens the error is an uncaught one */
  report(error: Error, dataAtRisk: boolean): void {
    const { name, message, code } = error as Error & { code?: unknown };
    const coded = typeof code === "string" ? { code } : {};
    this.last.push({ at: this.#clock.now(), name, message, dataAtRisk, ...coded });
    this.last.splice(0, this.last.length - mostErrors);
    if (dataAtRisk && this.#emitter.size === 0) reportUncaught(error);
    this.#emitter.emit({ error, dataAtRisk });
  }
}
