const numbers = new Intl.NumberFormat("en");

/** 1234567 → 1,234,567 */
export function formatNumber(value: number): string {
  return numbers.format(value);
}

/** 49.61167, 6.13 → 49.6117° N, 6.1300° E */
export function formatPosition(lat: number, lon: number): string {
  return `${formatDegrees(lat, "N", "S")}, ${formatDegrees(lon, "E", "W")}`;
}

function formatDegrees(value: number, positive: string, negative: string): string {
  return `${Math.abs(value).toFixed(4)}° ${value < 0 ? negative : positive}`;
}

/** How long ago, in the largest unit that fits: "just now", "40 s ago", "3 min ago", "2 h ago", or the date. */
export function formatAgo(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(then).toLocaleDateString("en", { day: "numeric", month: "short" });
}
