/** Something that is kept although nobody wants it. */
export interface Kept {
  /** Since when nobody wants it, in ms since 1970; undefined: that is news. */
  readonly unwantedSince: number | undefined;
  readonly bytes: number;
  /** Something that was written to it is not on the server yet. */
  readonly hasPending: boolean;
}

/** A scope that is on the device. */
export interface KeptScope extends Kept {
  readonly collection: string;
  readonly scope: string;
}

/** How long, and how much, a device keeps of scopes that nobody wants. */
export const retention = {
  /** As long as the server keeps what tells that a document has left: after it, it is all read anew anyway. */
  keptMs: 30 * 24 * 3_600_000,
  /** A tenth of what a browser gives a page on a small phone. */
  keptBytes: 64 * 1024 * 1024,
} as const;

/**
 * Which of them go: those that nobody has wanted for too long, then, while together they are too much, the one that
 * nobody has wanted for longest. Never one with writes that are not on the server.
 */
export function chooseForgotten<K extends Kept>(
  kept: readonly K[],
  now: number,
  { keptMs, keptBytes }: { readonly keptMs: number; readonly keptBytes: number } = retention,
): K[] {
  const since = ({ unwantedSince = now }: Kept) => unwantedSince;
  const oldestFirst = kept.filter(({ hasPending }) => !hasPending).sort((a, b) => since(a) - since(b));
  let bytes = kept.reduce((sum, each) => sum + each.bytes, 0);
  return oldestFirst.filter((each) => {
    const isGone = now - since(each) > keptMs || bytes > keptBytes;
    if (isGone) bytes -= each.bytes;
    return isGone;
  });
}
