// From a seed to a script. The same seed gives the same script (I-20).
import { SeededRandom } from "../../random.js";
import {
  addThefts,
  diskTrouble,
  drawEnvironmentStep,
  drawKinds,
  drawSubject,
  environmentTrouble,
  environmentWeights,
  type Trouble,
} from "../generateEnvironment.js";
import { smallLimits } from "../sealedGlobals.js";
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

const wants = scopes.map((scope) => ({ scope }));

/** See {@link addReleases}, and `addThefts`. */
type OwnKind = Exclude<StepKind, "upgrade" | "deploy" | "rollBack" | "steal">;

const { pass, ...others } = environmentWeights;
const weights: Readonly<Record<OwnKind, number>> = {
  pass,
  write: 34,
  ...others,
  permit: 2.5,
  serverWrite: 5,
  compact: 4,
  purge: 1,
  tidy: 2,
  newEpoch: 1,
  backUp: 2,
  restore: 2,
};

const trouble: Trouble<OwnKind> = [
  ...diskTrouble,
  [0.5, ["permit"]],
  ...environmentTrouble,
  [0.5, ["tidy"]],
  [0.4, ["newEpoch", "backUp", "restore"]],
];

export interface GenerateOptions {
  /** Default: a few dozen, as the seed has it. */
  readonly steps?: number;
}

export function generateScript(seed: number, options: GenerateOptions = {}): Script {
  const random = new SeededRandom(seed);
  const screen = seed % 4 === 1 ? { shows: 3 } : {};
  const devices = Array.from({ length: 1 + random.below(3) }, (_, n) => ({
    ...generateDevice(random, n),
    ...screen,
  }));
  const kinds = drawKinds(random, weights, trouble);
  const wildness = random.pick([0, 0.3, 0.6]);
  const count = options.steps ?? 25 + random.below(45);
  const steps: Step[] = [];
  for (let n = 0; n < count; n++) {
    const kind = random.weighted(kinds);
    steps.push(...generateSteps(random, kind, { devices, wildness, next: () => n * 10 }));
  }
  const released = addReleases(new SeededRandom(seed ^ 0x5c4e3a), devices, steps);
  return {
    ...{ seed, devices, steps: addThefts(new SeededRandom(seed ^ 0x7e1f), devices.length, released) },
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
  const subject = drawSubject(random, devices.length);
  const { device, tab } = subject;
  switch (kind) {
    case "write": {
      const isGroup = random.chance(0.4);
      return { do: kind, device, tab, isGroup, changes: generateChanges(random, context, isGroup) };
    }
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
    case "newEpoch":
    case "backUp":
    case "restore":
      return { do: kind };
    default:
      return drawEnvironmentStep(random, kind, subject, wants);
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
