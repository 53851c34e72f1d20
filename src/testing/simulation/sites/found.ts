/// <reference types="vite/client" />
// Scripts that once showed a fault, as short as they could be made. They are run with the fixed seeds: what a seed means
// changes with the generator, what a script means does not.
import type { Script } from "./steps.js";

export interface Found {
  /** What was wrong. */
  readonly fault: string;
  /** Which invariant said so. */
  readonly invariant: string;
  readonly script: Script;
  /** The only engine on which it shows; left out: it showed on convex-test. All of them are run on both. */
  readonly engine?: "local";
}

const files: Record<string, Found> = import.meta.glob("./found/*.json", { eager: true, import: "default" });

export const found: readonly Found[] = Object.values(files);
