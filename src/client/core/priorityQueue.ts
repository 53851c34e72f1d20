/** What is asked for first: what holds something that is on screen, then the rest. */
export const priorities = { visible: 0, rest: 1 } as const;

interface Item<T> {
  readonly value: T;
  readonly priority: number;
  /** Among equals the one that came first goes first. */
  readonly order: number;
}

/** A binary heap: the most urgent item first, and of equally urgent ones the oldest. */
export class PriorityQueue<T> {
  readonly #heap: Item<T>[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  push(value: T, priority: number): void {
    this.#heap.push({ value, priority, order: this.#order++ });
    this.#rise(this.#heap.length - 1);
  }

  pop(): T | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first.value;
  }

  #rise(at: number): void {
    for (let child = at; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  #sink(at: number): void {
    for (let parent = at; ;) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2];
      let first = parent;
      if (this.#isBefore(left, first)) first = left;
      if (this.#isBefore(right, first)) first = right;
      if (first === parent) return;
      this.#swap(parent, first);
      parent = first;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.priority === other.priority ? one.order < other.order : one.priority < other.priority;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a] as Item<T>, this.#heap[b] as Item<T>];
    [this.#heap[a], this.#heap[b]] = [other, one];
  }
}
