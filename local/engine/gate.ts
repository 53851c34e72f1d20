/** Lets transactions in, but for while something needs to have the deployment for itself. */
export class Gate {
  #inside = 0;
  #closed: Promise<void> | null = null;
  #onEmpty: (() => void) | null = null;

  /** Does `work` inside. */
  async through<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== null) await this.#closed;
    this.#inside += 1;
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) this.#onEmpty?.();
    }
  }

  /** Waits until nobody is inside, does `work`, and lets in again. */
  async alone<T>(work: () => T): Promise<T> {
    while (this.#closed !== null) await this.#closed;
    let open = () => {};
    this.#closed = new Promise((resolve) => (open = resolve));
    try {
      if (this.#inside > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
      return work();
    } finally {
      [this.#closed, this.#onEmpty] = [null, null];
      open();
    }
  }
}
