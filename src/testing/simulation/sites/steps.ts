// What may happen in a simulation of `sites`, beside what may happen to any app.
import type { EnvironmentStep } from "../script.js";

export const scopes = ["DE", "FR", "IT"] as const;
/**
 * Both in DE from the beginning, and never deleted, moved or refused: of these it is known at every moment what must be
 * shown. Every other document may meet anything.
 */
export const steadyDocuments = ["s1", "s2"] as const;
/** Two of them are ordered differently by UTF-8, as indexes are, and by UTF-16, as `<` orders. */
export const wildDocuments = ["a", "b", "c", "ａ", "😀"] as const;
export const allDocuments: readonly string[] = [...steadyDocuments, ...wildDocuments];

/** A change of one document as a user makes it; an insert where the tab shows none. */
export interface Change {
  readonly document: string;
  readonly kind:
    | "name"
    | "note"
    | "count"
    | "tag"
    | "untag"
    | "move"
    | "delete"
    | "replace"
    | "forbidden"
    | "abort"
    | "closed";
  readonly country: string;
  /** Another one in each change of a script. */
  readonly value: number;
}

export interface DeviceSetup {
  readonly user: string;
  /** Of `sites`. */
  readonly scopes: readonly string[];
  readonly tabs: number;
  /** How many rows each of its tabs has on its screen, in a live query; default: no screen is known. */
  readonly shows?: number;
}

/** What may happen to this app only. */
export type SiteStep =
  /** In one transaction, or in one each. */
  | {
      readonly do: "write";
      readonly device: number;
      readonly tab: number;
      readonly isGroup: boolean;
      readonly changes: readonly Change[];
    }
  /** Tabs that are opened from now on load the next release of the app. */
  | { readonly do: "upgrade"; readonly device: number }
  /** The server's functions are those of the next release, or of the last one again. */
  | { readonly do: "deploy" | "rollBack" }
  | { readonly do: "permit"; readonly user: string; readonly scope: string; readonly isReadable: boolean }
  | { readonly do: "serverWrite"; readonly changes: readonly Change[] }
  | { readonly do: "compact"; readonly documents: readonly string[] }
  | { readonly do: "purge"; readonly document: string }
  | { readonly do: "newEpoch" }
  /** Of all that the server holds; `restore` brings back the last one, if there is any, and begins a new epoch. */
  | { readonly do: "backUp" | "restore" };

export type Step = EnvironmentStep | SiteStep;
export type StepKind = Step["do"];

/** All that a run depends on: see `Script` of the simulation, which this becomes. */
export interface Script {
  readonly seed: number;
  readonly devices: readonly DeviceSetup[];
  readonly steps: readonly Step[];
  readonly catchUpEntries?: number;
}
