/**
 * Merges streams, each in the order of `compare`, into one in that order; of equals those of the earlier stream come
 * first. Lazy: of each stream one item is held.
 */
export async function* mergeOrdered<Item>(
  streams: readonly AsyncGenerator<Item>[],
  compare: (a: Item, b: Item) => number,
): AsyncGenerator<Item> {
  const results = [];
  for (const stream of streams) results.push(await stream.next());
  for (;;) {
    let first: { readonly at: number; readonly item: Item } | null = null;
    for (const [at, { done, value }] of results.entries())
      if (done !== true && (first === null || compare(value as Item, first.item) < 0))
        first = { at, item: value as Item };
    if (first === null) return;
    yield first.item;
    results[first.at] = await (streams[first.at] as AsyncGenerator<Item>).next();
  }
}
