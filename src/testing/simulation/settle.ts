// The end of every run: all that was wrong is put right, and then everybody must come to rest, and be equal.
import { Violation } from "../violation.js";
import { checkEqual, checkOrder, checkOutcomes, checkRewritten, checkSteady } from "./checkRest.js";
import type { DiskCheck } from "./checkDisk.js";
import type { Device } from "./device.js";
import { newest } from "./releases.js";
import { allDocuments, scopes } from "./steps.js";
import type { World } from "./world.js";

const stepMs = 500;
/** After which whatever was on its way when all was put right has arrived, and a dead socket was noticed. */
const onItsWayMs = 61_000;
/** The longest wait of a client that has failed again and again is five minutes. */
const mostMs = 30 * 60_000;

export async function settle(world: World): Promise<void> {
  world.trace.add(`${world.timeline.now()} everything is put right`);
  world.deploy(newest);
  await comeToRest(world);
  checkAll(world);
  // All of it holds by what is stored alone.
  for (const { livingTabs } of world.devices) for (const { life } of livingTabs) life.end();
  // Whoever comes now meets what was compacted, and nothing that was not.
  await world.timeline.until(world.server.backend.compact(allDocuments));
  world.join("newcomer", scopes, 1);
  await comeToRest(world);
  checkAll(world);
}

async function comeToRest(world: World): Promise<void> {
  const end = world.timeline.now() + mostMs;
  for (const device of world.devices) device.heal();
  await world.timeline.pass(onItsWayMs);
  world.throwIfViolated();
  let quiet = 0;
  while (quiet < 3) {
    if (world.timeline.now() > end)
      throw new Violation("I-19", `after half an hour ${restless(world).join("; ")}`);
    for (const device of world.devices) if (device.livingTabs.length === 0) device.open();
    await world.timeline.pass(stepMs);
    world.throwIfViolated();
    quiet = restless(world).length === 0 ? quiet + 1 : 0;
  }
}

function checkAll(world: World): void {
  const { devices, answers, truth, ledger, diskChecks } = world;
  for (const device of devices) {
    checkOutcomes(device, answers, (id) => world.isUndone(device, id));
    checkOrder([...device.stored.values()], answers);
  }
  checkRewritten(truth.rewritten, answers, new Map(devices.flatMap((device) => [...device.stored])));
  checkSteady(truth, (document) => ledger.applied(document, answers));
  for (const device of devices) checkEqual(device, diskChecks.get(device) as DiskCheck, truth, world);
  world.throwIfViolated();
}

/** What is still to come, in words. */
function restless(world: World): string[] {
  return world.devices.flatMap((device) => device.livingTabs.flatMap((tab) => restlessTab(device, tab)));
}

function restlessTab(device: Device, { name, isReady, replica }: Device["tabs"][number]): string[] {
  if (!isReady) return [`tab ${name} is not ready`];
  const { pending, scopes: read } = replica.status.get();
  if (pending > 0) {
    const states = replica.transactions.list().map(({ id, state }) => `"${id}" ${state}`);
    return [`tab ${name} has ${states.join(", ")}`];
  }
  return [...device.wants].flatMap((scope) => {
    const state = read.find((each) => each.scope === scope)?.state ?? "unknown";
    return state === "live" || state === "denied" ? [] : [`tab ${name} reads ${scope}: ${state}`];
  });
}
