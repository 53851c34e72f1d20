import type { ConvexClientShape } from "../client/ports/transport.js";

type Listener = (state: { isWebSocketConnected: boolean }) => void;

/** What simulated connections have in common: whether they are there, and who hears of it. */
export abstract class SimulatedConnection implements ConvexClientShape {
  readonly client = { url: "simulated:" };
  readonly #listeners = new Set<Listener>();

  abstract readonly onUpdate: ConvexClientShape["onUpdate"];
  abstract readonly query: ConvexClientShape["query"];
  abstract readonly mutation: ConvexClientShape["mutation"];
  protected abstract readonly isConnected: boolean;

  connectionState(): { isWebSocketConnected: boolean } {
    return { isWebSocketConnected: this.isConnected };
  }

  subscribeToConnectionState(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** It has come, or is gone. */
  protected tell(): void {
    for (const listener of [...this.#listeners]) listener(this.connectionState());
  }

  /** Nobody is told any more. */
  protected forgetListeners(): void {
    this.#listeners.clear();
  }
}
