import type { LeaderStatus, Want } from "./base/tabMessages.js";
import { backoffMs } from "./core/backoff.js";
import { Leader, type LeaderOptions } from "./leader.js";

export interface LeadershipOptions extends Omit<LeaderOptions, "onStatus" | "onFenced"> {
  /** The scopes this tab wants. */
  ownWants(): readonly Want[];
  onStatus(status: LeaderStatus): void;
  /** This tab has become the leader, or has ceased to be it. */
  onChange(): void;
}

/** Carries the leader while this tab is elected, and tells it what all tabs want. */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #wantsByTab = new Map<string, readonly Want[]>();
  #leader: Leader | null = null;
  #cancelRetry: () => void = () => {};
  #failures = 0;
  #isEnded = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#leader !== null;
  }

  /** Other tabs that have told what they want. */
  get knownTabs(): number {
    return this.#wantsByTab.size;
  }

  /** This tab was elected. */
  async begin(): Promise<void> {
    const { onStatus, onChange } = this.#options;
    try {
      const leader = await Leader.start({
        ...this.#options,
        onStatus: () => this.#leader !== null && onStatus(this.#leader.status),
        onFenced: () => this.#stepDown(),
      });
      if (this.#isEnded) return leader.stop();
      this.#leader = leader;
      this.#failures = 0;
    } catch (error) {
      if (!this.#isEnded) this.#beginLater(error);
      return;
    }
    onChange();
    this.setWants();
  }

  end(): void {
    this.#isEnded = true;
    this.#cancelRetry();
    this.#leader?.stop();
    this.#leader = null;
  }

  /** What another tab wants now. Remembered by every tab: any may be elected next. */
  noteWants(tab: string, wants: readonly Want[], forget: readonly Want[]): void {
    this.#wantsByTab.set(tab, wants);
    this.setWants(forget);
  }

  /** The wants have changed. @param forget what is not to be kept on the device unless another tab wants it */
  setWants(forget: readonly Want[] = []): void {
    const leader = this.#leader;
    if (leader === null) return;
    const wants = [...this.#options.ownWants(), ...[...this.#wantsByTab.values()].flat()];
    leader.setWants(wants);
    const isWanted = ({ collection, scope }: Want) =>
      wants.some((want) => want.collection === collection && want.scope === scope);
    for (const want of forget)
      if (!isWanted(want)) leader.forgetScope(want).catch((error: unknown) => this.#options.onError(error));
  }

  onAppended(): void {
    this.#leader?.onAppended();
  }

  onFailedRemoved(sequences: readonly number[]): void {
    this.#leader?.onFailedRemoved(sequences);
  }

  /** The database could not be taken over. Nobody else is elected meanwhile, so it is tried again. */
  #beginLater(error: unknown): void {
    const { clock, randomness, onError } = this.#options;
    onError(error);
    this.#cancelRetry = clock.setTimer(
      () => void this.begin(),
      backoffMs(++this.#failures, randomness.fraction()),
    );
  }

  #stepDown(): void {
    this.#leader?.stop();
    this.#leader = null;
    this.#options.onChange();
  }
}
