// What may happen in a simulation, as plain data: a step means something wherever it stands, so that a failing script
// can be made shorter by leaving steps out.

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
  readonly scopes: readonly string[];
  readonly tabs: number;
}

export type Step =
  /** Time passes, event by event. */
  | { readonly do: "pass"; readonly ms: number }
  /** In one transaction, or in one each. */
  | {
      readonly do: "write";
      readonly device: number;
      readonly tab: number;
      readonly isGroup: boolean;
      readonly changes: readonly Change[];
    }
  /** The user decides about the oldest failed transaction. */
  | {
      readonly do: "decide";
      readonly device: number;
      readonly tab: number;
      readonly how: "retry" | "discard";
    }
  | { readonly do: "open"; readonly device: number }
  /** Tabs that are opened from now on load the next release of the app. */
  | { readonly do: "upgrade"; readonly device: number }
  /** The server's functions are those of the next release, or of the last one again. */
  | { readonly do: "deploy" | "rollBack" }
  | { readonly do: "close"; readonly device: number; readonly tab: number }
  /** The tab's process ends once it has done, or been told, so many things more; 0: now. */
  | { readonly do: "kill"; readonly device: number; readonly tab: number; readonly after: number }
  | { readonly do: "freeze" | "thaw"; readonly device: number; readonly tab: number }
  /** The tab takes the lock from whoever leads, and who leads hears of it so much later: till then there are two. */
  | { readonly do: "steal"; readonly device: number; readonly tab: number; readonly ms: number }
  | { readonly do: "offline" | "online" | "halfOpen"; readonly device: number }
  | { readonly do: "latency"; readonly device: number; readonly ms: number }
  /** What befalls the device's next push. */
  | {
      readonly do: "loseRequest" | "loseAnswer" | "duplicate" | "failPush";
      readonly device: number;
      readonly times: number;
    }
  | {
      readonly do: "storageFault";
      readonly device: number;
      readonly method: "append" | "commit" | "takeOver" | "outboxAfter" | "removeFailed";
      readonly code: "storage_full" | "storage_unavailable";
      readonly times: number;
    }
  | { readonly do: "slowDisk"; readonly device: number; readonly ms: number }
  /** The device's token expires, or is replaced by a fresh one. */
  | { readonly do: "lapse" | "refresh"; readonly device: number }
  | { readonly do: "skew"; readonly device: number; readonly ms: number }
  /** All tabs of the device read the scope from now on, or no longer. */
  | { readonly do: "subscribe"; readonly device: number; readonly scope: string }
  | {
      readonly do: "unsubscribe";
      readonly device: number;
      readonly scope: string;
      readonly keepData: boolean;
    }
  | { readonly do: "permit"; readonly user: string; readonly scope: string; readonly isReadable: boolean }
  | { readonly do: "serverWrite"; readonly changes: readonly Change[] }
  | { readonly do: "compact"; readonly documents: readonly string[] }
  | { readonly do: "purge"; readonly document: string }
  | { readonly do: "tidy" }
  | { readonly do: "newEpoch" }
  /** Of all that the server holds; `restore` brings back the last one, if there is any, and begins a new epoch. */
  | { readonly do: "backUp" | "restore" };

export type StepKind = Step["do"];

/** All that a run depends on. */
export interface Script {
  /** Decides what the steps leave open: how long each message and each storage operation takes, ids, retries. */
  readonly seed: number;
  readonly devices: readonly DeviceSetup[];
  readonly steps: readonly Step[];
  /** How much of a catch-up a device stores as one; default: all of it. */
  readonly catchUpEntries?: number;
}
