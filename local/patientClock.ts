// For tests of what goes on in the background.
import { JumpClock } from "./jumpClock.js";

/** Jumps over short waits, of reads and of a follower that looks again. What is later waits until a test passes time. */
export class PatientClock extends JumpClock {
  #later: { ms: number; wake: () => void }[] = [];

  override at(ms: number, wake: () => void): () => void {
    if (ms - this.now() < 5000) return super.at(ms, wake);
    const waiting = { ms, wake };
    this.#later.push(waiting);
    return () => void (this.#later = this.#later.filter((each) => each !== waiting));
  }

  async pass(ms: number): Promise<void> {
    for (const end = this.now() + ms; this.now() < end;) {
      await new Promise<void>((resolve) => void super.at(this.now() + 1000, resolve));
      const due = this.#later.filter((each) => each.ms <= this.now());
      this.#later = this.#later.filter((each) => each.ms > this.now());
      for (const { wake } of due) wake();
    }
  }
}
