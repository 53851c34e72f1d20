/** Bounds of what the local store keeps and does at a time, each with its reason. */
export const storeLimits = {
  /** A page that is read and decoded takes 2 ms for so many: a slice of opening, well under a frame. */
  pageDocuments: 500,
  /** The same where documents are large. */
  pageBytes: 1024 * 1024,
  /** A commit of at least as many documents is a page at once: one record is written faster than so many. */
  pageFrom: 64,
  /**
   * The tail is folded from so many on, beside what stays in it because it is on the screen (`screenLimits`): it is read
   * whole before the first rows show, at 8 µs each.
   */
  tailRecords: 500,
  /** What one step of folding takes: as much as makes a few pages, some 20 ms of which nobody waits. */
  foldTail: 1000,
  foldPages: 8,
  /** Folding begins once nothing was stored for so long, and at the latest so long after it became due. */
  foldIdleMs: 2000,
  foldLatestMs: 60_000,
} as const;

export type StoreLimits = { readonly [Name in keyof typeof storeLimits]: number };
