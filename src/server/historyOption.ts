import { limits } from "../shared/limits.js";
import type { RegisteredCollection } from "./registration.js";
import type { HistoryOptions } from "./types.js";

type Told = { readonly history?: { collection: string; keepDays: number; automatic?: "daily" }[] };

/** @throws Error if it cannot be kept; it says why */
export function checkHistory(collection: string, history: HistoryOptions | undefined): void {
  if (history === undefined) return;
  const { keepDays, automatic } = history;
  const isDays = Number.isSafeInteger(keepDays) && keepDays >= 1 && keepDays <= limits.historyKeepDays;
  if (!isDays)
    throw new Error(
      `Collection "${collection}": history.keepDays is a whole number from 1 to ${limits.historyKeepDays}, got ${String(keepDays)}.`,
    );
  if (automatic !== undefined && automatic !== "daily")
    throw new Error(
      `Collection "${collection}": history.automatic is "daily" or omitted, got ${JSON.stringify(automatic)}.`,
    );
}

/** What a write tells the component of the collections that it touches: nothing, if none of them keeps history. */
export function toldHistory(collections: Iterable<RegisteredCollection>): Told {
  const history = [...new Set(collections)].flatMap(({ definition, history: kept }) => {
    if (kept === undefined) return [];
    const { keepDays, automatic } = kept;
    return [{ collection: definition.name, keepDays, ...(automatic === undefined ? {} : { automatic }) }];
  });
  return history.length === 0 ? {} : { history };
}
