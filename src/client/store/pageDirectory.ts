import type { StoreLimits } from "./storeLimits.js";

/** What is known of a page without reading it. */
export interface PageInfo {
  readonly page: number;
  readonly bytes: number;
  readonly entries: number;
  /** Entries that say how a document is now: no newer page and no record of the tail speaks of it. */
  readonly live: number;
}

/**
 * Where the leader's database has each document: in which pages, the newest of which counts, and whether the tail,
 * which counts more than any page, has it too. From that it is known without reading which pages are worth folding.
 */
export class PageDirectory {
  /** Pages by document, newest first. Documents that came with one page share one list. */
  readonly #pagesOf = new Map<string, readonly number[]>();
  readonly #tail = new Set<string>();
  readonly #pages = new Map<number, { readonly bytes: number; readonly entries: number; live: number }>();

  get tailSize(): number {
    return this.#tail.size;
  }

  pages(): PageInfo[] {
    return [...this.#pages].map(([page, info]) => ({ page, ...info }));
  }

  isLive(page: number, key: string): boolean {
    return !this.#tail.has(key) && this.#pagesOf.get(key)?.[0] === page;
  }

  /** Whether a page speaks of the document, other than these. */
  isElsewhere(key: string, pages: ReadonlySet<number>): boolean {
    return this.#pagesOf.get(key)?.some((page) => !pages.has(page)) ?? false;
  }

  /**
   * A page that is older than all that are known.
   *
   * @returns for each of its documents whether it says how that is now
   */
  addOlder(page: number, bytes: number, keys: readonly string[]): boolean[] {
    const own = [page];
    const areLive = keys.map((key) => {
      const newer = this.#pagesOf.get(key);
      this.#pagesOf.set(key, newer === undefined ? own : [...newer, page]);
      return newer === undefined && !this.#tail.has(key);
    });
    this.#pages.set(page, { bytes, entries: keys.length, live: areLive.filter(Boolean).length });
    return areLive;
  }

  /** A page that is newer than all that are known, and than the tail: what the tail had of its documents is gone. */
  addNewer(page: number, bytes: number, keys: readonly string[]): void {
    const own = [page];
    for (const key of keys) {
      if (!this.#tail.delete(key)) this.#bury(key);
      const older = this.#pagesOf.get(key);
      this.#pagesOf.set(key, older === undefined ? own : [page, ...older]);
    }
    this.#pages.set(page, { bytes, entries: keys.length, live: keys.length });
  }

  putInTail(key: string): void {
    if (this.#tail.has(key)) return;
    this.#tail.add(key);
    this.#bury(key);
  }

  removeFromTail(key: string): void {
    this.#tail.delete(key);
  }

  /** @param keys - of the documents in it */
  removePage(page: number, keys: readonly string[]): void {
    this.#pages.delete(page);
    for (const key of keys) {
      const rest = (this.#pagesOf.get(key) ?? []).filter((other) => other !== page);
      if (rest.length === 0) this.#pagesOf.delete(key);
      else this.#pagesOf.set(key, rest);
    }
  }

  /** What a page says of the document is no more how it is. */
  #bury(key: string): void {
    const info = this.#pages.get(this.#pagesOf.get(key)?.[0] ?? NaN);
    if (info !== undefined) info.live--;
  }
}

/** What a step of folding makes into new pages. */
export interface FoldPlan {
  readonly takesTail: boolean;
  readonly pages: readonly number[];
}

/**
 * Chooses what to fold: the tail once it is long, and pages that are not worth their place, which are those more than
 * half dead, and small ones if they can be joined to anything. Each step takes at least two such pages into at most one,
 * or one that is more than half dead into one that is not, or empties the tail: so it comes to an end, and leaves pages
 * of which all but one are at least half full and half alive.
 *
 * @returns null if all is as it should be
 */
export function planFold(pages: readonly PageInfo[], tailSize: number, most: StoreLimits): FoldPlan | null {
  const takesTail = tailSize >= most.tailRecords;
  const dead = pages.filter(({ live, entries }) => live * 2 < entries);
  const small = pages.filter(
    ({ live, entries, bytes }) =>
      live * 2 >= entries && entries * 2 < most.pageDocuments && bytes * 2 < most.pageBytes,
  );
  const isJoined = takesTail || dead.length + small.length > 1;
  const chosen = [...dead, ...(isJoined ? small : [])].slice(0, most.foldPages).map(({ page }) => page);
  return takesTail || chosen.length > 0 ? { takesTail, pages: chosen } : null;
}
