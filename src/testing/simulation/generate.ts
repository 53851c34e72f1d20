// From a seed to a script. The same seed gives the same script (I-20).
import { SeededRandom } from "../random.js";
import { smallLimits } from "./sealedGlobals.js";
import {
  scopes,
  steadyDocuments,
  wildDocuments,
  type Change,
  type DeviceSetup,
  type Script,
  type Step,
  type StepKind,
} from "./steps.js";

/** See {@link addReleases} and {@link addThefts}. */
type OwnKind = Exclude<StepKind, "upgrade" | "deploy" | "rollBack" | "steal">;

const weights: Readonly<Record<OwnKind, number>> = {
  pass: 30,
  write: 34,
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
  permit: 2.5,
  serverWrite: 5,
  compact: 4,
  purge: 1,
  tidy: 2,
  newEpoch: 1,
  backUp: 2,
  restore: 2,
};

/** Kinds of trouble that a script has or has not: if each had all of them, what is rare would drown. */
const optional: readonly (readonly [number, readonly OwnKind[]])[] = [
  [0.5, ["storageFault", "slowDisk"]],
  [0.5, ["permit"]],
  [0.4, ["lapse", "refresh"]],
  [0.4, ["subscribe", "unsubscribe"]],
  [0.4, ["freeze", "thaw"]],
  [0.6, ["kill", "open", "close"]],
  [0.6, ["loseRequest", "loseAnswer", "duplicate", "failPush"]],
  [0.6, ["offline", "online", "halfOpen"]],
  [0.3, ["skew"]],
  [0.5, ["decide"]],
  [0.5, ["tidy"]],
  [0.4, ["newEpoch", "backUp", "restore"]],
];

export interface GenerateOptions {
  /** Default: a few dozen, as the seed has it. */
  readonly steps?: number;
}

export function generateScript(seed: number, options: GenerateOptions = {}): Script {
  const random = new SeededRandom(seed);
  const devices = Array.from({ length: 1 + random.below(3) }, (_, n) => generateDevice(random, n));
  const without = new Set([...optional.flatMap(([chance, kinds]) => (random.chance(chance) ? [] : kinds))]);
  const wildness = random.pick([0, 0.3, 0.6]);
  const kinds = (Object.entries(weights) as [OwnKind, number][])
    .filter(([kind]) => !without.has(kind))
    .map(([kind, weight]) => [weight, kind] as const);
  const count = options.steps ?? 25 + random.below(45);
  const steps: Step[] = [];
  for (let n = 0; n < count; n++) {
    const kind = random.weighted(kinds);
    steps.push(...generateSteps(random, kind, { devices, wildness, next: () => n * 10 }));
  }
  const released = addReleases(new SeededRandom(seed ^ 0x5c4e3a), devices, steps);
  return {
    ...{ seed, devices, steps: addThefts(new SeededRandom(seed ^ 0x7e1f), devices, released) },
    ...(seed % 4 === 0 ? { catchUpEntries: 1 } : {}),
  };
}

function generateDevice(random: SeededRandom, n: number): DeviceSetup {
  const own = scopes.filter((scope) => scope === "DE" || random.chance(0.5));
  return { user: random.chance(0.3) ? "user 0" : `user ${n}`, scopes: own, tabs: 1 + random.below(3) };
}

interface Context {
  readonly devices: readonly DeviceSetup[];
  /** How much of what is written goes to documents that may meet anything. */
  readonly wildness: number;
  next(): number;
}

/** What takes several steps to come about is generated as a whole, now and then. */
function generateSteps(random: SeededRandom, kind: OwnKind, context: Context): Step[] {
  const step = generateStep(random, kind, context);
  if (kind !== "tidy" || random.chance(0.3)) return [step];
  const device = random.below(context.devices.length);
  return [
    { do: "offline", device },
    generateStep(random, "serverWrite", { ...context, wildness: 1 }),
    { do: "pass", ms: 2 * smallLimits.leavesKeptMs },
    step,
    { do: "online", device },
  ];
}

function generateStep(random: SeededRandom, kind: OwnKind, context: Context): Step {
  const { devices } = context;
  const device = random.below(devices.length);
  const tab = random.below(3);
  const times = 1 + random.below(2);
  switch (kind) {
    case "pass":
      return { do: kind, ms: random.pick([1, 5, 20, 60, 60, 200, 500, 1000, 3000, 20_000, 120_000]) };
    case "write": {
      const isGroup = random.chance(0.4);
      return { do: kind, device, tab, isGroup, changes: generateChanges(random, context, isGroup) };
    }
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
      return {
        do: kind,
        device,
        method,
        code: random.pick(["storage_full", "storage_unavailable"] as const),
        times,
      };
    }
    case "slowDisk":
      return { do: kind, device, ms: random.pick([1, 8, 100, 2000]) };
    case "skew":
      return { do: kind, device, ms: random.pick([-86_400_000, -5000, 0, 5000, 86_400_000]) };
    case "subscribe":
      return { do: kind, device, scope: random.pick(scopes) };
    case "unsubscribe":
      return { do: kind, device, scope: random.pick(scopes), keepData: random.chance(0.5) };
    case "permit": {
      const { user } = devices[device] as DeviceSetup;
      return { do: kind, user, scope: random.pick(scopes), isReadable: random.chance(0.4) };
    }
    case "serverWrite":
      return { do: kind, changes: generateChanges(random, context) };
    case "compact":
      return { do: kind, documents: [random.pick([...steadyDocuments, ...wildDocuments])] };
    case "purge":
      return { do: kind, document: random.pick(wildDocuments) };
    case "tidy":
    case "newEpoch":
    case "backUp":
    case "restore":
      return { do: kind };
  }
}

/**
 * In four of ten scripts the app has further releases. They are put in between with numbers of their own: all else that a
 * seed means it means without them too.
 */
function addReleases(random: SeededRandom, devices: readonly DeviceSetup[], steps: readonly Step[]): Step[] {
  const all = [...steps];
  if (!random.chance(0.4)) return all;
  for (let count = 2 + random.below(6); count > 0; count--) {
    const at = random.below(all.length + 1);
    const released = random.weighted([
      [3, "deploy"],
      [1, "rollBack"],
      [4, "upgrade"],
      [2, "race"],
    ] as const);
    const device = random.below(devices.length);
    if (released === "race") all.splice(at, 0, ...race(random, device, 10_000 + 10 * count));
    else if (released !== "upgrade") all.splice(at, 0, { do: released });
    else all.splice(at, 0, { do: released, device }, ...reload(random, device));
  }
  return all;
}

/** In two of ten scripts a lock is stolen, with numbers of their own as well. */
function addThefts(random: SeededRandom, devices: readonly DeviceSetup[], steps: readonly Step[]): Step[] {
  const all = [...steps];
  if (!random.chance(0.2)) return all;
  for (let count = 1 + random.below(4); count > 0; count--) {
    const [device, tab] = [random.below(devices.length), random.below(3)];
    const ms = random.pick([0, 5, 60, 500, 5000]);
    all.splice(random.below(all.length + 1), 0, { do: "steal", device, tab, ms });
  }
  return all;
}

/** A device and the server migrate one document at the same time, and not for the sake of the same write. */
function race(random: SeededRandom, device: number, value: number): Step[] {
  const document = random.pick(steadyDocuments);
  const changed = { document, country: "DE" };
  return [
    { do: "deploy" },
    { do: "upgrade", device },
    { do: "kill", device, tab: 0, after: 0 },
    { do: "open", device },
    { do: "pass", ms: 3000 },
    { do: "latency", device, ms: 400 },
    { do: "write", device, tab: 2, isGroup: false, changes: [{ ...changed, kind: "count", value }] },
    { do: "pass", ms: random.pick([20, 60, 200]) },
    { do: "serverWrite", changes: [{ ...changed, kind: "name", value: value + 1 }] },
    { do: "pass", ms: 1000 },
  ];
}

/** A user reloads a tab, opens another one, or does nothing of the kind yet. */
function reload(random: SeededRandom, device: number): Step[] {
  if (random.chance(0.2)) return [];
  const tab = random.below(3);
  const opened: Step[] = [{ do: "open", device }];
  if (random.chance(0.3)) return opened;
  if (random.chance(0.5)) return [{ do: "close", device, tab }, ...opened];
  return [{ do: "kill", device, tab, after: random.below(20) }, ...opened];
}

/** Of one sort: what stands on a document that may fail may fail with it. */
function generateChanges(random: SeededRandom, { wildness, next }: Context, isGroup = true): Change[] {
  const isWild = random.chance(wildness);
  // One tag on both, by which it is seen whether both are there.
  if (!isWild && isGroup && random.chance(0.6))
    return steadyDocuments.map((document) => ({ document, kind: "tag", country: "DE", value: next() }));
  const count = random.pick([1, 1, 1, 2, 2, 3]);
  return Array.from({ length: count }, (_, n) => ({
    document: isWild ? random.pick(wildDocuments) : random.pick(steadyDocuments),
    kind: isWild
      ? random.weighted<Change["kind"]>(wildKinds)
      : random.weighted<Change["kind"]>([
          [4, "count"],
          [4, "tag"],
          [1, "name"],
        ]),
    country: random.pick(scopes),
    value: next() + n,
  }));
}

const wildKinds: readonly (readonly [number, Change["kind"]])[] = [
  [4, "name"],
  [3, "note"],
  [4, "count"],
  [3, "tag"],
  [2, "untag"],
  [3, "move"],
  [2, "delete"],
  [1, "replace"],
  [0.7, "forbidden"],
  [0.5, "abort"],
  [0.5, "closed"],
];
