// Which sites the list shows, and in what order.
import type { Site } from "../convex/collections.js";

export type StatusFilter = "all" | Site["status"];
export type SortBy = "population" | "name";

export interface Selection {
  readonly search: string;
  readonly filter: StatusFilter;
  readonly sortBy: SortBy;
}

export interface StatusCounts {
  readonly all: number;
  readonly open: number;
  readonly surveyed: number;
}

/** Sites whose name, tags or note contain the search text, whatever its case and accents. */
export function searchSites(sites: readonly Site[], search: string): readonly Site[] {
  const text = foldText(search.trim());
  return text === "" ? sites : sites.filter((site) => foldedSite(site).all.includes(text));
}

export function countStatuses(sites: readonly Site[]): StatusCounts {
  const surveyed = sites.reduce((sum, site) => sum + (site.status === "surveyed" ? 1 : 0), 0);
  return { all: sites.length, open: sites.length - surveyed, surveyed };
}

/** Largest population first, or by name as a reader expects: "Ö" beside "O". Equal ones stand in name, then id order. */
export function sortSites(sites: readonly Site[], sortBy: SortBy): readonly Site[] {
  return [...sites].sort(
    (a, b) =>
      (sortBy === "population" ? b.population - a.population : 0) ||
      compareText(foldedSite(a).name, foldedSite(b).name) ||
      compareText(a.id, b.id),
  );
}

/** Lower case and without accents: what a person types who is in a hurry. */
export function foldText(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();
}

interface Folded {
  readonly name: string;
  readonly all: string;
}

/** Rows are never changed in place, so that what was worked out for one holds for as long as it lives. */
const foldedSites = new WeakMap<Site, Folded>();

function foldedSite(site: Site): Folded {
  let folded = foldedSites.get(site);
  if (folded === undefined) {
    const all = foldText([site.name, ...site.tags, site.note ?? ""].join("\n"));
    folded = { name: foldText(site.name), all };
    foldedSites.set(site, folded);
  }
  return folded;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
