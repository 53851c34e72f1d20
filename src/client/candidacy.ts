import type { Clock } from "./ports/clock.js";
import type { LeaderElection, TabLifecycle } from "./ports/tabs.js";
import { LeaderWatch } from "./tabs/leaderWatch.js";

export interface CandidacyOptions {
  readonly election: LeaderElection;
  readonly lifecycle: TabLifecycle;
  readonly clock: Clock;
  /** Asks the leader for a sign of life. */
  askLeader(): void;
  onElected(): void;
  /** It leads no more, or may not begin to. */
  onLost(): void;
  /** It may stop to run at any moment: a transaction of the database that it began now would hold up all others. */
  onFreeze(): void;
  /** It runs again: what was told meanwhile may not have come through. */
  onResume(): void;
}

/**
 * Whether this tab leads. It stands for election for as long as it runs, steps down before it is frozen, since its lock
 * would keep all others from leading, and takes the place of a leader that was frozen without notice.
 */
export class Candidacy {
  readonly #options: CandidacyOptions;
  readonly #watch: LeaderWatch;
  #endCampaign: () => void = () => {};
  #endLifecycle: () => void = () => {};
  /** A leader that was frozen may beat once more before it learns that it leads no longer: who leads listens to none. */
  #isLeading = false;
  #isEnded = false;

  constructor(options: CandidacyOptions) {
    this.#options = options;
    this.#watch = new LeaderWatch(
      options.clock,
      () => options.askLeader(),
      () => this.#campaign({ byForce: true }),
    );
  }

  start(): void {
    this.#watch.hear(); // should it lead already, it may be frozen, and never be heard of
    this.#campaign();
    this.#endLifecycle = this.#options.lifecycle.watch(
      () => this.#freeze(),
      () => this.#resume(),
    );
  }

  /** The leader has given a sign of life. */
  hear(): void {
    if (!this.#isEnded && !this.#isLeading) this.#watch.hear();
  }

  /** This tab has become the leader: there is nobody to watch. */
  onLeading(): void {
    this.#isLeading = true;
    this.#watch.stop();
  }

  /** This tab leads no more. */
  onFollowing(): void {
    this.#isLeading = false;
    this.hear();
  }

  end(): void {
    this.#isEnded = true;
    this.#watch.stop();
    this.#endCampaign();
    this.#endLifecycle();
  }

  #campaign({ byForce = false } = {}): void {
    const { election, onElected, onLost } = this.#options;
    this.#endCampaign();
    const lose = () => {
      onLost();
      if (!this.#isEnded) this.#campaign();
    };
    this.#endCampaign = election.campaign(onElected, { onLost: lose, byForce });
  }

  #freeze(): void {
    this.#endCampaign();
    this.#endCampaign = () => {};
    this.#options.onLost();
    this.#watch.stop();
    this.#options.onFreeze();
  }

  #resume(): void {
    if (this.#isEnded) return;
    this.#campaign();
    this.#watch.hear();
    this.#options.onResume();
  }
}
