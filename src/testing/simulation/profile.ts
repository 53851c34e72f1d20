import type { TabMessage } from "../../client/base/tabMessages.js";
import type { LeaderElection, TabChannel } from "../../client/ports/tabs.js";
import type { SeededRandom } from "../random.js";
import type { Life } from "./life.js";
import type { Timeline } from "./timeline.js";

interface Candidate {
  readonly life: Life;
  readonly onElected: () => void;
  readonly onLost: () => void;
}

interface Member {
  readonly life: Life;
  listener: (message: TabMessage) => void;
  isOpen: boolean;
  /** When the last message from each sender arrives: a sender's messages keep their order. */
  readonly arrivals: Map<Member, number>;
}

/** What the tabs of one device share beside its disk: a lock, as Web Locks has it, and a channel. */
export class Profile {
  readonly #timeline: Timeline;
  readonly #random: SeededRandom;
  readonly #candidates: Candidate[] = [];
  readonly #members = new Set<Member>();

  constructor(timeline: Timeline, random: SeededRandom) {
    this.#timeline = timeline;
    this.#random = random;
  }

  /** First come, first served; passed on a moment after the holder has ended or died. */
  election(life: Life): LeaderElection {
    return {
      campaign: (onElected, { onLost = () => {}, byForce = false } = {}) => {
        if (!life.isAlive) return () => {};
        const candidate = { life, onElected, onLost };
        const robbed = byForce ? this.#candidates.shift() : undefined;
        if (byForce) this.#candidates.unshift(candidate);
        else this.#candidates.push(candidate);
        robbed?.life.deliver(() => robbed.onLost());
        if (this.#candidates[0] === candidate) this.#elect();
        return () => this.#withdraw(candidate);
      },
    };
  }

  /** The lock goes to this tab, if it waits for it. @param ms after which the one that held it hears of that */
  steal(life: Life, ms: number): void {
    const at = this.#candidates.findIndex((each) => each.life === life);
    if (at <= 0) return;
    const [thief] = this.#candidates.splice(at, 1) as [Candidate];
    const [robbed] = this.#candidates.splice(0, 1, thief) as [Candidate];
    this.#timeline.after(ms, () => robbed.life.deliver(() => robbed.onLost()));
    this.#elect();
  }

  /** A tab has died: its lock is free, and nothing is told to it any more. */
  bury(life: Life): void {
    for (const candidate of this.#candidates.filter((each) => each.life === life)) this.#withdraw(candidate);
    for (const member of this.#members) if (member.life === life) this.#members.delete(member);
  }

  channel(life: Life): TabChannel<TabMessage> {
    const own: Member = { life, listener: () => {}, isOpen: true, arrivals: new Map() };
    this.#members.add(own);
    return {
      post: (message) => {
        if (!own.isOpen || !life.passes()) return;
        for (const other of this.#members)
          if (other !== own) this.#send(own, other, structuredClone(message));
      },
      onMessage: (listener) => void (own.listener = listener),
      close: () => {
        own.isOpen = false;
        this.#members.delete(own);
      },
    };
  }

  #send(from: Member, to: Member, message: TabMessage): void {
    const now = this.#timeline.now();
    const at = Math.max(to.arrivals.get(from) ?? 0, now + this.#random.below(6));
    to.arrivals.set(from, at);
    this.#timeline.after(at - now, () => {
      if (to.isOpen) to.life.deliver(() => to.listener(message));
    });
  }

  #withdraw(candidate: Candidate): void {
    const at = this.#candidates.indexOf(candidate);
    if (at < 0) return;
    this.#candidates.splice(at, 1);
    if (at === 0 && this.#candidates.length > 0) this.#elect();
  }

  #elect(): void {
    const [first] = this.#candidates as [Candidate];
    this.#timeline.after(this.#random.below(80), () => {
      if (this.#candidates[0] === first) first.life.deliver(first.onElected);
    });
  }
}
