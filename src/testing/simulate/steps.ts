import type { EnvironmentStep, Script } from "../simulation/script.js";

/** What may be done to an app of which nothing is known but what its test says. */
export type AppStep =
  /** One of `writes`, on a tab; what it draws comes from a seed of its own, whatever else is left out of a script. */
  | {
      readonly do: "write";
      readonly device: number;
      readonly tab: number;
      readonly write: string;
      readonly seed: number;
    }
  /** One of `serverWrites`. */
  | { readonly do: "serverWrite"; readonly write: string; readonly seed: number }
  /** One of the documents that are there. */
  | { readonly do: "compact"; readonly seed: number }
  | { readonly do: "newEpoch"; readonly collection: string };

export type SimulationStep = EnvironmentStep | AppStep;

/** All that a run depends on, as plain JSON. */
export type SimulationScript = Script<AppStep>;
