import { describe, expect, test } from "vitest";
import type { Site } from "../convex/collections.js";
import { countStatuses, searchSites, sortSites } from "./siteSelection.js";

function site(id: string, fields: Partial<Site> = {}): Site {
  return { id, name: id, country: "DE", status: "open", population: 0, visits: 0, tags: [], ...fields };
}

const köln = site("1", { name: "Köln", population: 900, tags: ["river"] });
const kiel = site("2", { name: "Kiel", population: 200, note: "Ask at the harbour" });
const aachen = site("3", { name: "Aachen", population: 200, status: "surveyed" });
const all = [köln, kiel, aachen];

describe("searchSites", () => {
  test("finds names whatever the case and accents", () => {
    expect(searchSites(all, " KOLN ")).toEqual([köln]);
    expect(searchSites(all, "köl")).toEqual([köln]);
  });

  test("finds tags and notes", () => {
    expect(searchSites(all, "river")).toEqual([köln]);
    expect(searchSites(all, "harbour")).toEqual([kiel]);
  });

  test("gives back the same array for an empty search, so that nothing is rendered again", () => {
    expect(searchSites(all, "  ")).toBe(all);
  });
});

test("countStatuses counts each status", () => {
  expect(countStatuses(all)).toEqual({ all: 3, open: 2, surveyed: 1 });
});

describe("sortSites", () => {
  test("puts the largest first and breaks ties by name", () => {
    expect(sortSites(all, "population").map(({ name }) => name)).toEqual(["Köln", "Aachen", "Kiel"]);
  });

  test("sorts accented names beside their plain letters", () => {
    const names = ["Zell", "Öhringen", "Oppau", "Ostheim"].map((name) => site(name));
    expect(sortSites(names, "name").map(({ name }) => name)).toEqual([
      "Öhringen",
      "Oppau",
      "Ostheim",
      "Zell",
    ]);
  });
});
