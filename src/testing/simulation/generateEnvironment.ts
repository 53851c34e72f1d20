// What befalls devices, network and server of any app, drawn from a seed. The same seed draws the same (I-20).
import type { SeededRandom } from "../random.js";
import type { EnvironmentKind, EnvironmentStep } from "./script.js";

/** See {@link addThefts}, and who generates a script, for the two others. */
type WeighedKind = Exclude<EnvironmentKind, "steal" | "tidy">;
export type DrawnKind = Exclude<EnvironmentKind, "steal">;

export const environmentWeights: Readonly<Record<WeighedKind, number>> = {
  pass: 30,
  decide: 1.5,
  open: 2,
  close: 1.5,
  kill: 4,
  freeze: 1,
  thaw: 1,
  offline: 2.5,
  online: 3,
  halfOpen: 1.5,
  latency: 2,
  loseRequest: 1,
  loseAnswer: 2,
  duplicate: 1.5,
  failPush: 0.7,
  storageFault: 1.5,
  slowDisk: 1,
  lapse: 1,
  refresh: 1.5,
  skew: 0.7,
  subscribe: 1.2,
  unsubscribe: 1.2,
};

/** Kinds of trouble that a script has or has not, and how many have: if each had all of them, what is rare would drown. */
export type Trouble<Kind> = readonly (readonly [number, readonly Kind[]])[];

export const diskTrouble: Trouble<WeighedKind> = [[0.5, ["storageFault", "slowDisk"]]];
export const environmentTrouble: Trouble<WeighedKind> = [
  [0.4, ["lapse", "refresh"]],
  [0.4, ["subscribe", "unsubscribe"]],
  [0.4, ["freeze", "thaw"]],
  [0.6, ["kill", "open", "close"]],
  [0.6, ["loseRequest", "loseAnswer", "duplicate", "failPush"]],
  [0.6, ["offline", "online", "halfOpen"]],
  [0.3, ["skew"]],
  [0.5, ["decide"]],
];

/** The kinds that one script has, with their weights. */
export function drawKinds<Kind extends string>(
  random: SeededRandom,
  weights: Readonly<Record<Kind, number>>,
  trouble: Trouble<Kind>,
): readonly (readonly [number, Kind])[] {
  const without = new Set(trouble.flatMap(([chance, kinds]) => (random.chance(chance) ? [] : kinds)));
  return (Object.entries(weights) as [Kind, number][])
    .filter(([kind]) => !without.has(kind))
    .map(([kind, weight]) => [weight, kind] as const);
}

/** What a step is about, drawn before it is known of which kind it is. */
export interface Subject {
  readonly device: number;
  readonly tab: number;
  readonly times: number;
}

export function drawSubject(random: SeededRandom, devices: number): Subject {
  return { device: random.below(devices), tab: random.below(3), times: 1 + random.below(2) };
}

/** @param wants what devices may read */
export function drawEnvironmentStep(
  random: SeededRandom,
  kind: DrawnKind,
  { device, tab, times }: Subject,
  wants: readonly { readonly collection?: string; readonly scope: string }[],
): EnvironmentStep {
  switch (kind) {
    case "pass":
      return { do: kind, ms: random.pick([1, 5, 20, 60, 60, 200, 500, 1000, 3000, 20_000, 120_000]) };
    case "decide":
      return { do: kind, device, tab, how: random.chance(0.5) ? "retry" : "discard" };
    case "open":
    case "offline":
    case "online":
    case "halfOpen":
    case "lapse":
    case "refresh":
      return { do: kind, device };
    case "close":
    case "freeze":
    case "thaw":
      return { do: kind, device, tab };
    case "kill":
      return { do: kind, device, tab, after: random.chance(0.3) ? 0 : random.below(30) };
    case "latency":
      return { do: kind, device, ms: random.pick([5, 40, 40, 400, 5000]) };
    case "loseRequest":
    case "loseAnswer":
    case "duplicate":
    case "failPush":
      return { do: kind, device, times };
    case "storageFault": {
      const method = random.pick([
        "append",
        "commit",
        "commit",
        "takeOver",
        "outboxAfter",
        "removeFailed",
      ] as const);
      const code = random.pick(["storage_full", "storage_unavailable"] as const);
      return { do: kind, device, method, code, times };
    }
    case "slowDisk":
      return { do: kind, device, ms: random.pick([1, 8, 100, 2000]) };
    case "skew":
      return { do: kind, device, ms: random.pick([-86_400_000, -5000, 0, 5000, 86_400_000]) };
    case "subscribe":
      return { do: kind, device, ...random.pick(wants) };
    case "unsubscribe":
      return { do: kind, device, ...random.pick(wants), keepData: random.chance(0.5) };
    case "tidy":
      return { do: kind };
  }
}

/** In two of ten scripts a lock is stolen, with numbers of their own: all else that a seed means it means without that too. */
export function addThefts<Step>(
  random: SeededRandom,
  devices: number,
  steps: readonly Step[],
): (Step | EnvironmentStep)[] {
  const all: (Step | EnvironmentStep)[] = [...steps];
  if (!random.chance(0.2)) return all;
  for (let count = 1 + random.below(4); count > 0; count--) {
    const [device, tab] = [random.below(devices), random.below(3)];
    const ms = random.pick([0, 5, 60, 500, 5000]);
    all.splice(random.below(all.length + 1), 0, { do: "steal", device, tab, ms });
  }
  return all;
}
