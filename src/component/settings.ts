// What an operator sets without code, by environment variables of the component (`app.use(replicate, { env })`). They
// are read where they are used: a change takes effect with the next function that runs.
import { limits } from "../shared/limits.js";
import { env } from "./_generated/server.js";
import { log } from "./log.js";

const dayMs = 24 * 60 * 60_000;

/** Each with its range. Compaction waits for quiet no longer than it ever waits; a week is what a client may be away. */
const numbers = {
  REPLICATE_QUIET_SECONDS: { unitMs: 1000, least: 0, most: limits.compactLatestMs / 1000 },
  REPLICATE_KEEP_DAYS: { unitMs: dayMs, least: 7, most: 400 },
} as const;
type NumberName = keyof typeof numbers;

/** How long a document that is to be compacted is let alone after its last change. */
export function compactQuietMs(): number {
  return readMs("REPLICATE_QUIET_SECONDS") ?? limits.compactQuietMs;
}

/** How long it is remembered what has left a scope, and what became of settled transactions. */
export function keptMs(): { readonly leaves: number; readonly receipts: number } {
  const kept = readMs("REPLICATE_KEEP_DAYS");
  return { leaves: kept ?? limits.leavesKeptMs, receipts: kept ?? limits.receiptsKeptMs };
}

/** Says which settings are not what they can be, and are not used. Called where it does not repeat often. */
export function checkSettings(): void {
  for (const name of Object.keys(numbers) as NumberName[]) {
    const { least, most } = numbers[name];
    if (env[name] !== undefined && readMs(name) === null)
      log("WARN", "settingIgnored", { name, least, most });
  }
}

/** @returns null if it is not set, or is no number of its range */
function readMs(name: NumberName): number | null {
  const text = env[name];
  if (text === undefined || !/^\d{1,6}$/.test(text)) return null;
  const { unitMs, least, most } = numbers[name];
  const value = Number(text);
  return value >= least && value <= most ? value * unitMs : null;
}
