import { Emitter, reportUncaught } from "./base/events.js";
import type { ReplicaEvents } from "./base/types.js";

type Emitters = { [E in keyof ReplicaEvents]: Emitter<ReplicaEvents[E]> };

/** What a replica emits, by name. */
export class ReplicaEmitters {
  readonly #emitters: Emitters = {
    documentsChanged: new Emitter(),
    transaction: new Emitter(),
    status: new Emitter(),
    error: new Emitter(),
  };

  on<E extends keyof ReplicaEvents>(event: E, listener: (value: ReplicaEvents[E]) => void): () => void {
    return (this.#emitters[event] as Emitter<ReplicaEvents[E]>).on(listener);
  }

  emit<E extends keyof ReplicaEvents>(event: E, value: ReplicaEvents[E]): void {
    (this.#emitters[event] as Emitter<ReplicaEvents[E]>).emit(value);
  }

  /** Data at risk must be seen: if nobody listens it is thrown. */
  emitError(error: Error, dataAtRisk: boolean): void {
    if (dataAtRisk && this.#emitters.error.size === 0) reportUncaught(error);
    this.#emitters.error.emit({ error, dataAtRisk });
  }
}
