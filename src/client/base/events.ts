/** Listeners of one thing. A listener that throws keeps no other from being called. */
export class Emitter<T = void> {
  readonly #listeners = new Set<(value: T) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  /** @returns a function that takes the listener away */
  on(listener: (value: T) => void): () => void {
    const own = (value: T) => listener(value);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
}

/** Makes an error an uncaught one, outside of the caller's control flow: it is the app's, and must be seen. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
