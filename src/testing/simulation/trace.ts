/** What happened, line by line, and one number for all of it: equal for equal runs (I-20). */
export class Trace {
  readonly lines: string[] = [];
  #high = 0xdeadbeef;
  #low = 0x41c6ce57;

  add(line: string): void {
    this.lines.push(line);
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      this.#high = Math.imul(this.#high ^ code, 2654435761); // cyrb53 (public domain)
      this.#low = Math.imul(this.#low ^ code, 1597334677);
    }
  }

  get hash(): string {
    const [high, low] = [this.#high, this.#low];
    const a = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
    const b = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
    return (b >>> 0).toString(16).padStart(8, "0") + (a >>> 0).toString(16).padStart(8, "0");
  }
}
