// From a seed to a script. The same seed gives the same script (I-20), as long as the test says the same.
import { SeededRandom } from "../random.js";
import {
  addThefts,
  diskTrouble,
  drawEnvironmentStep,
  drawKinds,
  drawSubject,
  environmentTrouble,
  environmentWeights,
  type DrawnKind,
  type Trouble,
} from "../simulation/generateEnvironment.js";
import type { DeviceSetup, Want } from "../simulation/script.js";
import { smallLimits } from "../simulation/sealedGlobals.js";
import type { AppStep, SimulationScript, SimulationStep } from "./steps.js";

/** What a script is drawn from. */
export interface Repertoire {
  readonly users: readonly (string | null)[];
  readonly wants: readonly Want[];
  readonly collections: readonly string[];
  readonly writes: readonly string[];
  readonly serverWrites: readonly string[];
}

type Kind = DrawnKind | AppStep["do"];

const { pass, ...others } = environmentWeights;
const weights: Readonly<Record<Kind, number>> = {
  pass,
  write: 34,
  ...others,
  serverWrite: 5,
  compact: 4,
  tidy: 2,
  newEpoch: 1,
};

const trouble: Trouble<Kind> = [...diskTrouble, ...environmentTrouble, [0.5, ["tidy"]], [0.3, ["newEpoch"]]];

/** @param steps default: 25 to 70, as the seed has it */
export function generateScript(seed: number, repertoire: Repertoire, steps?: number): SimulationScript {
  const random = new SeededRandom(seed);
  const count = random.pick([1, 2, 2, 3, 3]);
  const screen = seed % 4 === 1 ? { shows: 3 } : {};
  const devices = Array.from({ length: count }, (_, n) => ({
    ...drawDevice(random, repertoire, n),
    ...screen,
  }));
  const without = repertoire.serverWrites.length === 0 ? ["serverWrite"] : [];
  const kinds = drawKinds(random, weights, trouble).filter(([, kind]) => !without.includes(kind));
  const all: SimulationStep[] = [];
  for (let left = steps ?? 25 + random.below(45); left > 0; left--)
    all.push(...drawSteps(random, random.weighted(kinds), devices.length, repertoire));
  return {
    ...{ seed, devices, steps: addThefts(new SeededRandom(seed ^ 0x7e1f), devices.length, all) },
    ...(seed % 4 === 0 ? { catchUpEntries: 1 } : {}),
  };
}

function drawDevice(random: SeededRandom, { users, wants }: Repertoire, n: number): DeviceSetup {
  const user = (random.chance(0.3) ? users[0] : users[n % users.length]) ?? null;
  const some = wants.filter(() => random.chance(0.7));
  return { user, wants: some.length === 0 ? wants : some, tabs: 1 + random.below(3) };
}

/** What takes several steps to come about is drawn as a whole, now and then. */
function drawSteps(
  random: SeededRandom,
  kind: Kind,
  devices: number,
  repertoire: Repertoire,
): SimulationStep[] {
  const step = drawStep(random, kind, devices, repertoire);
  if (kind !== "tidy" || random.chance(0.3)) return [step];
  const device = random.below(devices);
  return [
    { do: "offline", device },
    drawStep(random, "write", devices, repertoire),
    { do: "pass", ms: 2 * smallLimits.leavesKeptMs },
    step,
    { do: "online", device },
  ];
}

function drawStep(
  random: SeededRandom,
  kind: Kind,
  devices: number,
  { wants, collections, writes, serverWrites }: Repertoire,
): SimulationStep {
  const subject = drawSubject(random, devices);
  const { device, tab } = subject;
  const seed = random.below(2 ** 31);
  switch (kind) {
    case "write":
      return { do: kind, device, tab, write: random.pick(writes), seed };
    case "serverWrite":
      return { do: kind, write: random.pick(serverWrites), seed };
    case "compact":
      return { do: kind, seed };
    case "newEpoch":
      return { do: kind, collection: random.pick(collections) };
    default:
      return drawEnvironmentStep(random, kind, subject, wants);
  }
}
