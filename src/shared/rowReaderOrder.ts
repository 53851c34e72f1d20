// Which of a key's items Yjs shows, when several authors wrote it. Yjs keeps a key's items in a list. A new one comes
// behind its origin, which was the list's last item for its author, and behind those with the same origin whose authors
// have smaller ids, with all that stands on them. So the list is a tree of origins written from the root down, siblings
// by their authors' ids, in whatever order they came; and its end is the greatest author's subtree's end, at every level.
//
// An item of several clocks is as many items by one author, each the origin of the next. What stands on one in the middle
// is a sibling of the next: it comes behind all of the rest if its author's id is greater, and before it if not.
//
// Only the last item is ever shown: Yjs deletes an item that gets a successor, and one that is put before another. So
// the last one is shown unless the update says that it is deleted.
import { Unreadable } from "./rowReaderBytes.js";

/** A value, or several of one key that are collected by now, one upon the other, at `length` clocks of an author. */
export class Item {
  readonly client: number;
  readonly clock: number;
  readonly length: number;
  /** -1: it is the first of its key. */
  readonly originClient: number;
  readonly originClock: number;
  readonly value: unknown;
  isDeleted: boolean;
  origin: Item | null = null;
  /** Its author's item before it. */
  previous: Item | null = null;
  /** What stands on it at the clock `branchAt` and comes behind all else that stands on it. */
  branch: Item | null = null;
  branchAt = 0;
  check: "new" | "open" | "done" = "new";

  constructor(
    client: number,
    clock: number,
    length: number,
    originClient: number,
    originClock: number,
    value: unknown,
    isDeleted: boolean,
  ) {
    this.client = client;
    this.clock = clock;
    this.length = length;
    this.originClient = originClient;
    this.originClock = originClock;
    this.value = value;
    this.isDeleted = isDeleted;
  }
}

type ByClient = ReadonlyMap<number, readonly Item[]>;

/** The last item of the list in which `first` is the last of those without an origin. */
export function lastOf(first: Item): Item {
  let last = first;
  while (last.branch !== null) last = last.branch;
  return last;
}

/** Of two with one origin. An author's later one comes before its earlier one; nobody writes twice upon one item. */
export function comesBehind(item: Item, other: Item): boolean {
  return item.client > other.client || (item.client === other.client && item.clock < other.clock);
}

/** The next clock of the author of `items`. */
export function clockAfter(items: readonly Item[]): number {
  const last = items.at(-1);
  return last === undefined ? 0 : last.clock + last.length;
}

/**
 * Lets every item know what it stands on and what stands on it.
 *
 * @returns whether any stands on another author's
 * @throws Unreadable if what one stands on is not there
 */
export function link(byClient: ByClient): boolean {
  let hasForeignOrigins = false;
  for (const items of byClient.values()) {
    let previous: Item | null = null;
    for (const item of items) {
      item.previous = previous;
      previous = item;
      if (item.originClient === -1) continue;
      if (item.originClient !== item.client) hasForeignOrigins = true;
      else if (item.originClock >= item.clock) throw new Unreadable("An item that stands on a later one.");
      item.origin = itemAt(byClient.get(item.originClient), item.originClock);
      standOn(item.origin, item);
    }
  }
  return hasForeignOrigins;
}

/**
 * An item needs its author's one before it, and its origin. Those that need each other Yjs never applies. Each is looked
 * at a few times at most: the way down is kept in a list, not on the stack, which a hostile update could fill.
 *
 * @throws Unreadable if any need each other
 */
export function checkCauses(byClient: ByClient): void {
  const way: Item[] = [];
  for (const items of byClient.values()) {
    for (const each of items) {
      for (let item: Item | undefined = each; item !== undefined;) {
        const cause = openCause(item);
        item.check = cause === null ? "done" : "open";
        if (cause?.check === "open") throw new Unreadable("Items that need each other.");
        if (cause !== null) way.push(item);
        item = cause ?? way.pop();
      }
    }
  }
}

/** What has to be applied before `item`, and is not known to be possible yet. */
function openCause({ previous, origin }: Item): Item | null {
  if (previous !== null && previous.check !== "done") return previous;
  return origin !== null && origin.check !== "done" ? origin : null;
}

/** Of several the one at the earliest clock: it comes behind the later clocks and all that stands on them. */
function standOn(origin: Item, item: Item): void {
  const at = item.originClock;
  const isAtEnd = at === origin.clock + origin.length - 1;
  if (!isAtEnd && item.client <= origin.client) return; // before the next clock
  const { branch, branchAt } = origin;
  if (branch !== null && (at > branchAt || (at === branchAt && !comesBehind(item, branch)))) return;
  origin.branch = item;
  origin.branchAt = at;
}

/** By bisection: a document that is written for years has thousands of items. */
function itemAt(items: readonly Item[] | undefined, clock: number): Item {
  if (items === undefined || clock < 0 || clock >= clockAfter(items))
    throw new Unreadable("An item that stands on what is elsewhere.");
  let [low, high] = [0, items.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((items[middle] as Item).clock <= clock) low = middle;
    else high = middle - 1;
  }
  return items[low] as Item;
}
