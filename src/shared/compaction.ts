import { limits } from "./limits.js";

/** What a document's stored state weighs. */
export interface StateSize {
  readonly deltaCount: number;
  readonly deltaBytes: number;
  readonly snapshotBytes: number;
  /** There are more deltas than are read at once: whoever wants the newest must have these compacted. */
  readonly isCut?: boolean | undefined;
}

/**
 * Whether a document's deltas should become part of its snapshot: `due`, soon and in the background; `overdue`,
 * before anything more is appended, because reading it has become dear. By number, because each delta is a row; by
 * bytes only if they outweigh what is gained, so that a large document is not written anew for every small change. A
 * large part may have more deltas before it is overdue: one for each 2 KiB that compaction would write anew.
 */
export function compactionNeed({
  deltaCount,
  deltaBytes,
  snapshotBytes,
  isCut = false,
}: StateSize): "none" | "due" | "overdue" {
  const mostDeltas = Math.max(limits.compactInPlaceDeltas, snapshotBytes / limits.compactBytesADelta);
  if (isCut || deltaCount > mostDeltas || deltaBytes > limits.compactInPlaceBytes) return "overdue";
  const mostBytes = Math.max(limits.compactBytes, snapshotBytes / 2);
  return deltaCount >= limits.compactDeltas || (deltaCount > 1 && deltaBytes > mostBytes) ? "due" : "none";
}

/** When compaction of a document was first wanted, and when it is to be done, in ms since 1970. */
export interface CompactionTime {
  readonly since: number;
  readonly at: number;
}

/**
 * When a document is compacted in the background. A document that is being worked on is let alone until a minute of
 * quiet, and then until those who read it have passed its newest change, because who has not would read all of it once
 * more; never for longer than ten minutes, and not when it is overdue. What failed is tried again after an hour, and after twice as long each time.
 * Pure: times are in ms since 1970.
 *
 * @returns null if it need not be compacted
 */
export function compactionTime(
  size: StateSize,
  {
    now,
    changedAt,
    dueSince,
    failure,
    quietMs = limits.compactQuietMs,
    isPassed = true,
  }: {
    readonly now: number;
    readonly changedAt: number;
    readonly dueSince?: number | undefined;
    readonly failure?: { readonly at: number; readonly attempts: number } | undefined;
    /** How long it is let alone after its last change. */
    readonly quietMs?: number;
    /** Everybody who is known to read it has passed its newest change: to them its compaction shows nothing. */
    readonly isPassed?: boolean;
  },
): CompactionTime | null {
  const need = compactionNeed(size);
  if (need === "none") return null;
  const since = dueSince ?? now;
  const quiet = changedAt + quietMs;
  const wished = isPassed || now < quiet ? quiet : now + limits.compactPassMs;
  const at = need === "overdue" ? since : Math.min(wished, since + limits.compactLatestMs);
  if (failure === undefined || failure.attempts === 0) return { since, at };
  const pause = limits.compactRetryMs * 2 ** (failure.attempts - 1);
  return { since, at: Math.max(at, failure.at + Math.min(pause, limits.compactRetryMostMs)) };
}
