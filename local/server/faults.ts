/** Faults that a test orders, each for a number of calls of a function. */
export class Faults {
  readonly #ordered = new Map<string, number>();
  readonly #dropSockets: () => void;
  #delayMs = 0;
  #isBlocked = false;
  #held: { readonly path: string; readonly released: Promise<void>; readonly release: () => void } | null =
    null;

  constructor(dropSockets: () => void) {
    this.#dropSockets = dropSockets;
  }

  /** Cuts every open socket. */
  dropSockets(): void {
    this.#dropSockets();
  }

  /** Every answer waits so long. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** What is asked of the function from now on is done, and not answered before `clear` is called. */
  holdAnswers(path: string): void {
    this.#held?.release();
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    this.#held = { path, released, release };
  }

  /** New sockets are refused, and open ones cut. */
  blockConnections(isBlocked: boolean): void {
    this.#isBlocked = isBlocked;
    if (isBlocked) this.#dropSockets();
  }

  /** The mutation is committed, then its socket is cut without an answer. */
  loseAnswer(path: string, times = 1): void {
    this.#order("loseAnswer", path, times);
  }

  /** The function is not run, and answered as one that threw an error without a code. */
  refuse(path: string, times = 1): void {
    this.#order("refuse", path, times);
  }

  /** The mutation is not run, and its socket closed, as after too many conflicts. */
  failAsOcc(path: string, times = 1): void {
    this.#order("failAsOcc", path, times);
  }

  /** Takes back everything that was ordered. */
  clear(): void {
    this.#ordered.clear();
    this.#delayMs = 0;
    this.#isBlocked = false;
    this.#held?.release();
    this.#held = null;
  }

  /** Until the function's answers are not held. */
  async released(path: string): Promise<void> {
    if (this.#held?.path === path) await this.#held.released;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Whether the fault is due for this call; uses one up. */
  takes(fault: "loseAnswer" | "refuse" | "failAsOcc", path: string): boolean {
    const key = `${fault} ${path}`;
    const left = this.#ordered.get(key) ?? 0;
    if (left > 0) this.#ordered.set(key, left - 1);
    return left > 0;
  }

  #order(fault: string, path: string, times: number): void {
    const key = `${fault} ${path}`;
    this.#ordered.set(key, (this.#ordered.get(key) ?? 0) + times);
  }
}
