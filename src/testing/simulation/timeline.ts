import type { Clock } from "../../client/ports/clock.js";
import { setImmediate } from "../host.js";

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Virtual time: what is to happen, in order. One event at a time; before the next one everything that the last one set
 * off has come to wait for something. So the order of events is the whole of what is undecided, and a seed decides it.
 */
export class Timeline {
  #now: number;
  #added = 0;
  #heap: Event[] = [];
  #cancelled = new Set<Event>();
  #busy = 0;
  /** How many timers of the functions' own have gone off: what they do then nobody has asked for. */
  timersGoneOff = 0;
  readonly #isSomebodyBusy: (() => boolean)[] = [];
  readonly #afterEvent: (() => void | Promise<void>)[] = [];

  /** @param start milliseconds since 1970 */
  constructor(start: number) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** @returns a function that takes it back */
  after(delayMs: number, run: () => void): () => void {
    const event = { at: this.#now + Math.max(0, delayMs), order: this.#added++, run };
    push(this.#heap, event);
    return () => void this.#cancelled.add(event);
  }

  /** Time stands still until `call` has ended: a server answers at once, and is late only by way of the network. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await call();
    } finally {
      this.#busy -= 1;
    }
  }

  /** Time stands still as long as it says so: it is asked whenever all promises have come to wait for something. */
  standStillWhile(isBusy: () => boolean): void {
    this.#isSomebodyBusy.push(isBusy);
  }

  /** Calls `look` after each event, when everything has come to rest. */
  onEvent(look: () => void | Promise<void>): void {
    this.#afterEvent.push(look);
  }

  /** Lets everything that is under way go on to where it waits for an event. */
  async rest(): Promise<void> {
    await this.calm();
    for (const look of this.#afterEvent) await look();
  }

  /** As {@link Timeline.rest}, and nobody looks. */
  async calm(): Promise<void> {
    do await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#busy > 0 || this.#isSomebodyBusy.some((isBusy) => isBusy()));
  }

  /** @returns whether there was an event before `end` */
  async runNext(end = Infinity): Promise<boolean> {
    const next = this.#takeFirst(end);
    if (next === null) return false;
    this.#now = Math.max(this.#now, next.at);
    next.run();
    await this.rest();
    return true;
  }

  /** Lets so much time pass, event by event. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    while (await this.runNext(end));
    this.#now = Math.max(this.#now, end);
  }

  /** Lets time pass, event by event, until `call` has ended. */
  async until<T>(call: Promise<T>): Promise<T> {
    let isOver = false;
    const end = () => void (isOver = true);
    call.then(end, end);
    await this.rest();
    while (!isOver)
      if (!(await this.runNext())) throw new Error("Nothing is to happen any more that could end this.");
    return call;
  }

  #takeFirst(end: number): Event | null {
    for (;;) {
      const [first] = this.#heap;
      if (first === undefined) return null;
      if (!this.#cancelled.has(first) && first.at > end) return null;
      pop(this.#heap);
      if (!this.#cancelled.delete(first)) return first;
    }
  }
}

/** A device's own clock: time passes for it as for everybody, but it may be wrong. */
export class SkewedClock implements Clock {
  readonly #timeline: Timeline;
  readonly #guard: (callback: () => void) => () => void;
  readonly #skew: { readonly ms: number };

  /** @param guard what stands between a timer and its callback */
  constructor(
    timeline: Timeline,
    skew: { readonly ms: number },
    guard: (callback: () => void) => () => void,
  ) {
    this.#timeline = timeline;
    this.#skew = skew;
    this.#guard = guard;
  }

  now(): number {
    return this.#timeline.now() + this.#skew.ms;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    return this.#timeline.after(delayMs, this.#guard(callback));
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (isBefore(heap[parent] as Event, event)) break;
    heap[at] = heap[parent] as Event;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
    if (isBefore(last, heap[child] as Event)) break;
    heap[at] = heap[child] as Event;
    at = child;
  }
  heap[at] = last;
}
