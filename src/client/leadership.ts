import type { DocumentName, LeaderStatus, OpenPart, Want } from "./base/tabMessages.js";
import { backoffMs } from "./core/backoff.js";
import { Leader, type LeaderOptions } from "./leader.js";
import { RollCall } from "./tabs/rollCall.js";

export interface LeadershipOptions extends Omit<LeaderOptions, "onStatus" | "onFenced"> {
  /** The scopes this tab wants. */
  ownWants(): readonly Want[];
  /** The parts it has open. */
  ownParts(): readonly OpenPart[];
  onStatus(status: LeaderStatus, term: number): void;
  /** This tab has become the leader, or has ceased to be it. */
  onChange(): void;
  /** As the leader: tells the other tabs that it is there, and asks who else is. */
  beat(): void;
}

/** Carries the leader while this tab is elected, and tells it what all tabs want. */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #rollCall: RollCall;
  readonly #visibleByTab = new Map<string, readonly DocumentName[]>();
  /** What each tab shows, this one included, by when it told of it. */
  readonly #screenByTab = new Map<string, readonly DocumentName[]>();
  #leader: Leader | null = null;
  #cancelRetry: () => void = () => {};
  #failures = 0;
  #isEnded = false;
  /** Counts elections: what an earlier one began is over. */
  #election = 0;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#rollCall = new RollCall(
      options.clock,
      () => options.beat(),
      () => this.setWants(),
    );
  }

  get isLeader(): boolean {
    return this.#leader !== null;
  }

  /** Other tabs that have told what they want. */
  get knownTabs(): number {
    return this.#rollCall.size;
  }

  /** This tab was elected. */
  async begin(): Promise<void> {
    const { onStatus, onChange } = this.#options;
    const election = ++this.#election;
    const isOver = () => this.#isEnded || election !== this.#election;
    this.#leader?.stop(); // elected anew: there is one leader in a tab
    this.#leader = null;
    try {
      const leader = await Leader.start({
        ...this.#options,
        onStatus: () => this.#leader !== null && onStatus(this.#leader.status, this.#leader.term),
        onFenced: () => this.stepDown(),
      });
      if (isOver()) return leader.stop();
      this.#leader = leader;
      this.#failures = 0;
    } catch (error) {
      if (!isOver()) this.#beginLater(error);
      return;
    }
    onChange();
    this.setVisible(); // first: it says in which order all else is read
    this.setWants();
    this.#setScreen();
    this.#rollCall.lead();
  }

  end(): void {
    this.#isEnded = true;
    this.#cancelRetry();
    this.#rollCall.stop();
    this.#leader?.stop();
    this.#leader = null;
  }

  /** What another tab wants now. Remembered by every tab: any may be elected next. */
  noteWants(
    tab: string,
    wants: readonly Want[],
    open: readonly OpenPart[] | undefined,
    forget: readonly Want[],
  ): void {
    this.#rollCall.note(tab, wants, open);
    this.setWants(forget);
  }

  /** Another tab has ended. */
  noteEnded(tab: string): void {
    this.#rollCall.remove(tab);
    this.#visibleByTab.delete(tab);
    this.#screenByTab.delete(tab);
    this.setWants();
  }

  /** What a tab, this one included, shows on its screen now. */
  noteVisible(tab: string, documents: readonly DocumentName[]): void {
    this.#visibleByTab.set(tab, documents);
    this.setVisible();
  }

  /** What a tab, this one included, shows is other documents now. Remembered by every tab: any may be elected next. */
  noteScreen(tab: string, documents: readonly DocumentName[]): void {
    this.#screenByTab.delete(tab);
    this.#screenByTab.set(tab, documents);
    this.#setScreen();
  }

  #setScreen(): void {
    this.#leader?.setScreens([...this.#screenByTab.values()].reverse());
  }

  setVisible(): void {
    this.#leader?.setVisible([...this.#visibleByTab.values()].flat());
  }

  /** The wants have changed. @param forget what is not to be kept on the device unless another tab wants it */
  setWants(forget: readonly Want[] = []): void {
    const leader = this.#leader;
    if (leader === null) return;
    const wants = [...this.#options.ownWants(), ...this.#rollCall.wants];
    leader.setWants(wants);
    leader.setParts([...this.#options.ownParts(), ...this.#rollCall.open]);
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

  /** Ends to lead, until it is elected again. */
  stepDown(): void {
    this.#election++;
    this.#cancelRetry();
    this.#rollCall.follow();
    if (this.#leader === null) return;
    this.#leader.stop();
    this.#leader = null;
    this.#options.onChange();
  }
}
