// What may happen to any app in a simulation, as plain data: a step means something wherever it stands, so that a failing
// script can be made shorter by leaving steps out.

/** A part of a collection that a device has, or has not. Scope "": all of a collection without scopes. */
export interface Want {
  readonly collection: string;
  readonly scope: string;
}

export interface DeviceSetup {
  /** null: nobody is ever signed in on it. */
  readonly user: string | null;
  readonly wants: readonly Want[];
  readonly tabs: number;
  /** How many rows each of its tabs has on its screen, in a live query; default: no screen is known. */
  readonly shows?: number;
}

export type EnvironmentStep =
  /** Time passes, event by event. */
  | { readonly do: "pass"; readonly ms: number }
  /** The user decides about the oldest failed transaction. */
  | {
      readonly do: "decide";
      readonly device: number;
      readonly tab: number;
      readonly how: "retry" | "discard";
    }
  | { readonly do: "open"; readonly device: number }
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
  /** All tabs of the device read the scope from now on, or no longer. Without a collection: of the app's first one. */
  | {
      readonly do: "subscribe";
      readonly device: number;
      readonly collection?: string;
      readonly scope: string;
    }
  | {
      readonly do: "unsubscribe";
      readonly device: number;
      readonly collection?: string;
      readonly scope: string;
      readonly keepData: boolean;
    }
  /** What is done on the server every hour and every day. */
  | { readonly do: "tidy" };

export type EnvironmentKind = EnvironmentStep["do"];
const environmentKinds: Readonly<Record<EnvironmentKind, true>> = {
  pass: true,
  decide: true,
  open: true,
  close: true,
  kill: true,
  freeze: true,
  thaw: true,
  steal: true,
  offline: true,
  online: true,
  halfOpen: true,
  latency: true,
  loseRequest: true,
  loseAnswer: true,
  duplicate: true,
  failPush: true,
  storageFault: true,
  slowDisk: true,
  lapse: true,
  refresh: true,
  skew: true,
  subscribe: true,
  unsubscribe: true,
  tidy: true,
};

/** What may be done to one app only: it has a name that none of the above has. */
export interface AnyStep {
  readonly do: string;
}

export function isEnvironment(step: AnyStep): step is EnvironmentStep {
  return Object.hasOwn(environmentKinds, step.do);
}

/** All that a run depends on. */
export interface Script<Step> {
  /** Decides what the steps leave open: how long each message and each storage operation takes, ids, retries. */
  readonly seed: number;
  readonly devices: readonly DeviceSetup[];
  readonly steps: readonly (EnvironmentStep | Step)[];
  /** How much of a catch-up a device stores as one; default: all of it. */
  readonly catchUpEntries?: number;
}
