import { Emitter, reportUncaught } from "./base/events.js";
import type { InspectedError } from "./base/inspection.js";
import type { ReplicaEvents } from "./base/types.js";
import type { Clock } from "./ports/clock.js";

type Emitters = { [E in keyof ReplicaEvents]: Emitter<ReplicaEvents[E]> };

/** Errors that an inspection shows. */
const mostErrors = 20;

/** What a replica emits, by name; it remembers the last errors. */
export class ReplicaEmitters {
  readonly lastErrors: InspectedError[] = [];
  readonly #clock: Clock;
  readonly #emitters: Emitters = {
    documentsChanged: new Emitter(),
    bulkCompleted: new Emitter(),
    transaction: new Emitter(),
    status: new Emitter(),
    error: new Emitter(),
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  on<E extends keyof ReplicaEvents>(event: E, listener: (value: ReplicaEvents[E]) => void): () => void {
    return (this.#emitters[event] as Emitter<ReplicaEvents[E]>).on(listener);
  }

  emit<E extends keyof ReplicaEvents>(event: E, value: ReplicaEvents[E]): void {
    (this.#emitters[event] as Emitter<ReplicaEvents[E]>).emit(value);
  }

  /** @param dataAtRisk something the user wrote is in danger: if nobody listens the error is an uncaught one */
  emitError(error: Error, dataAtRisk: boolean): void {
    const { name, message, code } = error as Error & { code?: unknown };
    const coded = typeof code === "string" ? { code } : {};
    this.lastErrors.push({ at: this.#clock.now(), name, message, dataAtRisk, ...coded });
    this.lastErrors.splice(0, this.lastErrors.length - mostErrors);
    if (dataAtRisk && this.#emitters.error.size === 0) reportUncaught(error);
    this.#emitters.error.emit({ error, dataAtRisk });
  }
}
