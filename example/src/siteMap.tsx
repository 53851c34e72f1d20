import { useEffect, useRef } from "react";
import type { Site } from "../convex/collections.js";
import { formatNumber } from "./format.js";
import type { StatusCounts } from "./siteSelection.js";

interface SiteMapProps {
  readonly sites: readonly Site[];
  readonly counts: StatusCounts;
}

/** A country as the points of its sites; those that are surveyed stand out. Drawn from what is on the device. */
export function SiteMap({ sites, counts }: SiteMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const draw = () => drawSites(element, sites);
    const observer = new ResizeObserver(draw);
    const colors = matchMedia("(prefers-color-scheme: dark)");
    observer.observe(element); // draws the first time, too
    colors.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      colors.removeEventListener("change", draw);
    };
  }, [sites]);
  const label = `Map of ${formatNumber(counts.all)} sites, ${formatNumber(counts.surveyed)} of them surveyed`;
  return (
    <div className="map">
      <canvas ref={canvas} role="img" aria-label={label} />
    </div>
  );
}

/** px: a lower box, as beside a long list of refused changes, shows nothing worth seeing. */
const smallestHeight = 96;

interface Point {
  readonly x: number;
  readonly y: number;
  readonly isSurveyed: boolean;
}

function drawSites(canvas: HTMLCanvasElement, sites: readonly Site[]): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  canvas.width = 0; // clears it
  if (context === null || height < smallestHeight) return;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  context.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(canvas);
  const points = placeSites(sites, width, height);
  const size = points.length > 1_000 ? 1.5 : 3;
  for (const isSurveyed of [false, true]) {
    context.fillStyle = style.getPropertyValue(isSurveyed ? "--vest" : "--cover-dot");
    const side = isSurveyed ? size + 0.75 : size;
    for (const point of points)
      if (point.isSurveyed === isSurveyed)
        context.fillRect(point.x - side / 2, point.y - side / 2, side, side);
  }
}

/** Fits the sites into the box, north up. A degree of longitude is as long as it is in the middle of the country. */
function placeSites(sites: readonly Site[], width: number, height: number): Point[] {
  const placed = sites.flatMap(({ lat, lon, status }) =>
    lat === undefined || lon === undefined ? [] : [{ lat, lon, isSurveyed: status === "surveyed" }],
  );
  const south = Math.min(...placed.map(({ lat }) => lat));
  const north = Math.max(...placed.map(({ lat }) => lat));
  const west = Math.min(...placed.map(({ lon }) => lon));
  const east = Math.max(...placed.map(({ lon }) => lon));
  const narrowing = Math.cos(((south + north) / 2) * (Math.PI / 180));
  const margin = 4;
  const smallest = 0.01; // degrees: a single site has no extent
  const scale = Math.min(
    (width - 2 * margin) / Math.max((east - west) * narrowing, smallest),
    (height - 2 * margin) / Math.max(north - south, smallest),
  );
  return placed.map(({ lat, lon, isSurveyed }) => ({
    x: width / 2 + (lon - (west + east) / 2) * narrowing * scale,
    y: height / 2 - (lat - (south + north) / 2) * scale,
    isSurveyed,
  }));
}
