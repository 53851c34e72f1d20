import type { StepKind } from "./steps.js";

/** Something that today's client or component is known not to stand, and that no simulation does to it meanwhile. */
export interface KnownGap {
  /** Steps that are not generated; a script may still hold them. */
  readonly kinds?: readonly StepKind[];
  readonly why: string;
}

/**
 * All that is left out, by name, in this one place. Who closes a gap takes it out of this list: the simulation does it
 * from then on (docs/simulation.md).
 */
export const knownGaps = {
  afterTheMerge: {
    why: "a scope that is let go of while writes to it are answered and have not come back: they are to be settled then, by merging their bytes, before any later one is",
  },
} as const satisfies Record<string, KnownGap>;

/** Those that are open: a gap that is closed is no longer in the list. */
export function isOpenGap(name: string): boolean {
  return Object.hasOwn(knownGaps, name);
}
