import { rootName } from "./mainState.js";
import { Unreadable } from "./rowReaderBytes.js";
import type { Columns } from "./rowReaderColumns.js";
import { checkCauses, clockAfter, comesBehind, Item, link } from "./rowReaderOrder.js";

/** Of updates: every author's items in the order of their clocks, from 0 without a gap, and each key's first one. */
export interface Items {
  readonly byClient: ReadonlyMap<number, readonly Item[]>;
  readonly firsts: Map<string, Item>;
}

/** More are left to Yjs: V2 can say "a billion times the same" in a few bytes. */
const mostItems = 100_000;

const contents = { deleted: 1, binary: 3, any: 8 } as const;
const hasOrigin = 128;
const hasRightOrigin = 64;
const hasKey = 32;

type ByClient = Map<number, Item[]>;

/**
 * @param updates - each stands on those before it
 * @throws Unreadable unless all of it is plain values of the root map, complete, and there once
 */
export function readItems(updates: readonly Columns[]): Items {
  const byClient: ByClient = new Map();
  const firsts = new Map<string, Item>();
  let allowed = mostItems;
  for (const columns of updates) allowed -= readUpdate(columns, byClient, firsts, allowed);
  if (link(byClient)) checkCauses(byClient);
  return { byClient, firsts };
}

/** @returns how many items it has, which are `allowed` at the most */
function readUpdate(
  columns: Columns,
  byClient: ByClient,
  firsts: Map<string, Item>,
  allowed: number,
): number {
  const { rest } = columns;
  const seen = new Set<number>();
  let items = 0;
  for (let clients = rest.uint(); clients > 0; clients--) {
    const count = rest.uint();
    const client = columns.client();
    items += count;
    if (count === 0 || items > allowed || seen.has(client))
      throw new Unreadable("An author has no items, too many, or is there twice.");
    seen.add(client);
    const own = byClient.get(client) ?? [];
    if (rest.uint() !== clockAfter(own))
      throw new Unreadable("What an author wrote before is elsewhere, or is there already.");
    byClient.set(client, own);
    readClient(columns, client, count, own, firsts);
  }
  readDeletions(columns, byClient);
  if (!rest.isAtEnd) throw new Unreadable("There is more than an update.");
  return items;
}

/** Appends an author's items to those that it has. */
function readClient(
  columns: Columns,
  client: number,
  count: number,
  items: Item[],
  firsts: Map<string, Item>,
): void {
  let clock = clockAfter(items);
  for (let left = count; left > 0; left--) {
    const info = columns.info();
    if (info & hasRightOrigin) throw new Unreadable("An item of a list.");
    const isFirst = !(info & hasOrigin);
    const originClient = isFirst ? -1 : columns.client();
    const originClock = isFirst ? -1 : columns.originClock();
    const key = isFirst ? readKey(columns, info) : null;
    const isDeleted = (info & 31) === contents.deleted;
    const length = isDeleted ? columns.length() : 1;
    const value = isDeleted ? undefined : readValue(columns, info & 31);
    const item = new Item(client, clock, length, originClient, originClock, value, isDeleted);
    if (key !== null) {
      const other = firsts.get(key);
      if (other === undefined || comesBehind(item, other)) firsts.set(key, item);
    }
    items.push(item);
    clock += length;
    if (length === 0 || clock > Number.MAX_SAFE_INTEGER) throw new Unreadable("A clock that cannot be.");
  }
}

function readKey(columns: Columns, info: number): string {
  if (!columns.isRootParent() || columns.text() !== rootName || !(info & hasKey))
    throw new Unreadable("An item of something else than the root map.");
  return columns.text();
}

function readValue(columns: Columns, content: number): unknown {
  if (content === contents.binary) return columns.rest.view(columns.rest.uint());
  if (content !== contents.any) throw new Unreadable("A gap, or something else than a plain value.");
  if (columns.length() !== 1) throw new Unreadable("Several values in one item.");
  return columns.rest.value();
}

/** In ascending order only: then they take no longer than there are items, whatever they say. */
function readDeletions(columns: Columns, byClient: ByClient): void {
  const { rest } = columns;
  const seen = new Set<number>();
  for (let clients = rest.uint(); clients > 0; clients--) {
    columns.startDeletions();
    const client = rest.uint();
    const items = byClient.get(client);
    if (items === undefined || seen.has(client)) throw new Unreadable("Deletions of what is elsewhere.");
    seen.add(client);
    let [index, end] = [0, 0];
    for (let ranges = rest.uint(); ranges > 0; ranges--) {
      const from = columns.deletedFrom();
      if (from < end) throw new Unreadable("Deletions out of order.");
      end = from + columns.deletedLength();
      if (end > clockAfter(items)) throw new Unreadable("Deletions of what is elsewhere.");
      // A value has one clock. What has several is deleted already.
      while (index < items.length && (items[index] as Item).clock < from) index++;
      for (; index < items.length && (items[index] as Item).clock < end; index++)
        (items[index] as Item).isDeleted = true;
    }
  }
}
