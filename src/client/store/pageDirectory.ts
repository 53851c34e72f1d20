import type { DocumentName } from "../base/tabMessages.js";
import type { StoreLimits } from "./storeLimits.js";

/** What is known of a page without reading it. */
export interface PageInfo {
  readonly page: number;
  readonly bytes: number;
  readonly entries: number;
  /** Entries that say how a document is now: no newer page and no record of the tail speaks of it. */
  readonly live: number;
}

/** What is known of the documents of one collection. By id, so that no key has to be made of each when a tab opens. */
interface Places {
  /** Pages by document, newest first. Documents that came with one page share one list. */
  readonly pages: Map<string, readonly number[]>;
  readonly tail: Set<string>;
  /** What is to stay in the tail. */
  screen: ReadonlySet<string>;
}

/**
 * Where the leader's database has each document: in which pages, the newest of which counts, and whether the tail,
 * which counts more than any page, has it too. From that it is known without reading which pages are worth folding.
 */
export class PageDirectory {
  readonly #places = new Map<string, Places>();
  readonly #pages = new Map<number, { readonly bytes: number; readonly entries: number; live: number }>();

  /** How much of the tail may be folded, at least: that a document of the screen is gone need not stay. */
  get looseTail(): number {
    let size = 0;
    for (const { tail, screen } of this.#places.values()) {
      size += tail.size;
      for (const id of screen) if (tail.has(id)) size--;
    }
    return size;
  }

  /** Which documents are to stay in the tail. */
  get screen(): DocumentName[] {
    return [...this.#places].flatMap(([collection, { screen }]) =>
      [...screen].map((id) => ({ collection, id })),
    );
  }

  setScreen(screen: readonly DocumentName[]): void {
    const ids = new Map<string, Set<string>>();
    for (const { collection, id } of screen)
      ids.set(collection, (ids.get(collection) ?? new Set<string>()).add(id));
    for (const collection of new Set([...ids.keys(), ...this.#places.keys()]))
      this.#placesOf(collection).screen = ids.get(collection) ?? new Set();
  }

  isOnScreen({ collection, id }: DocumentName): boolean {
    return this.#placesOf(collection).screen.has(id);
  }

  pages(): PageInfo[] {
    return [...this.#pages].map(([page, info]) => ({ page, ...info }));
  }

  isInTail({ collection, id }: DocumentName): boolean {
    return this.#placesOf(collection).tail.has(id);
  }

  isLive(page: number, { collection, id }: DocumentName): boolean {
    const { pages, tail } = this.#placesOf(collection);
    return !tail.has(id) && pages.get(id)?.[0] === page;
  }

  /** Whether a page speaks of the document, other than these. */
  isElsewhere({ collection, id }: DocumentName, pages: ReadonlySet<number>): boolean {
    return (
      this.#placesOf(collection)
        .pages.get(id)
        ?.some((page) => !pages.has(page)) ?? false
    );
  }

  /**
   * A page that is older than all that are known.
   *
   * @returns for each of its documents whether it says how that is now
   */
  addOlder(page: number, bytes: number, documents: readonly DocumentName[]): boolean[] {
    const own = [page];
    const areLive = documents.map(({ collection, id }) => {
      const { pages, tail } = this.#placesOf(collection);
      const newer = pages.get(id);
      pages.set(id, newer === undefined ? own : [...newer, page]);
      return newer === undefined && !tail.has(id);
    });
    this.#pages.set(page, { bytes, entries: documents.length, live: areLive.filter(Boolean).length });
    return areLive;
  }

  /** A page that is newer than all that are known, and than the tail: what the tail had of its documents is gone. */
  addNewer(page: number, bytes: number, documents: readonly DocumentName[]): void {
    const own = [page];
    for (const document of documents) {
      const { pages, tail } = this.#placesOf(document.collection);
      if (!tail.delete(document.id)) this.#bury(document);
      const older = pages.get(document.id);
      pages.set(document.id, older === undefined ? own : [page, ...older]);
    }
    this.#pages.set(page, { bytes, entries: documents.length, live: documents.length });
  }

  putInTail(document: DocumentName): void {
    const { tail } = this.#placesOf(document.collection);
    if (tail.has(document.id)) return;
    tail.add(document.id);
    this.#bury(document);
  }

  removeFromTail({ collection, id }: DocumentName): void {
    this.#placesOf(collection).tail.delete(id);
  }

  /** @param documents - that are in it */
  removePage(page: number, documents: readonly DocumentName[]): void {
    this.#pages.delete(page);
    for (const { collection, id } of documents) {
      const { pages } = this.#placesOf(collection);
      const rest = (pages.get(id) ?? []).filter((other) => other !== page);
      if (rest.length === 0) pages.delete(id);
      else pages.set(id, rest);
    }
  }

  /** What a page says of the document is no more how it is. */
  #bury({ collection, id }: DocumentName): void {
    const info = this.#pages.get(this.#placesOf(collection).pages.get(id)?.[0] ?? NaN);
    if (info !== undefined) info.live--;
  }

  #placesOf(collection: string): Places {
    const known = this.#places.get(collection);
    if (known !== undefined) return known;
    const places: Places = { pages: new Map(), tail: new Set(), screen: new Set() };
    this.#places.set(collection, places);
    return places;
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
 * @param looseTail - how much of the tail may be folded
 * @returns null if all is as it should be
 */
export function planFold(pages: readonly PageInfo[], looseTail: number, most: StoreLimits): FoldPlan | null {
  const takesTail = looseTail >= most.tailRecords;
  const dead = pages.filter(({ live, entries }) => live * 2 < entries);
  const small = pages.filter(
    ({ live, entries, bytes }) =>
      live * 2 >= entries && entries * 2 < most.pageDocuments && bytes * 2 < most.pageBytes,
  );
  const isJoined = takesTail || dead.length + small.length > 1;
  const chosen = [...dead, ...(isJoined ? small : [])].slice(0, most.foldPages).map(({ page }) => page);
  return takesTail || chosen.length > 0 ? { takesTail, pages: chosen } : null;
}
