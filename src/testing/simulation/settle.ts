// The end of every run: all that was wrong is put right, and then everybody must come to rest, and be equal.
import { endOfCommit, type PullResult } from "../../shared/wire.js";
import { Violation } from "../violation.js";
import type { DiskCheck } from "./checkDisk.js";
import { checkEqual, checkOrder, checkOutcomes } from "./checkRest.js";
import type { Device } from "./device.js";
import type { Want } from "./script.js";
import type { World } from "./world.js";

const stepMs = 500;
/** After which whatever was on its way when all was put right has arrived, and a dead socket was noticed. */
const onItsWayMs = 61_000;
/** The longest wait of a client that has failed again and again is five minutes. */
const mostMs = 30 * 60_000;
/** Where nothing is read any more but whether one may. */
const endOfStream = { ts: 2n ** 62n, document: endOfCommit };

export async function settle(world: World): Promise<void> {
  const { app } = world;
  world.trace.add(`${world.timeline.now()} everything is put right`);
  app.putRight(world);
  await comeToRest(world);
  await checkAll(world);
  // All of it holds by what is stored alone.
  for (const { livingTabs } of world.devices) for (const { life } of livingTabs) life.end();
  // Whoever comes now meets what was compacted, and nothing that was not.
  await world.timeline.until(app.compactAll(world));
  for (const setup of app.newcomers()) world.join(setup);
  await comeToRest(world);
  await checkAll(world);
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

async function checkAll(world: World): Promise<void> {
  const { app, devices, answers, truth, diskChecks } = world;
  for (const device of devices) {
    checkOutcomes(device, answers, app, (id) => world.isUndone(device, id));
    checkOrder([...device.stored.values()], answers);
  }
  await app.checkRest(world);
  for (const device of devices) {
    const readable = await readableOf(world, device);
    checkEqual(device, diskChecks.get(device) as DiskCheck, truth, readable);
  }
  world.throwIfViolated();
}

async function readableOf(world: World, { wants, user }: Device): Promise<readonly Want[]> {
  const readable: Want[] = [];
  for (const want of wants)
    if (world.app.mayRead(user, want) ?? (await isAnswered(world, user, want))) readable.push(want);
  return readable;
}

/** Where only the app's functions know who may read what, they are asked. */
async function isAnswered({ app }: World, user: string | null, want: Want): Promise<boolean> {
  const { backend } = app;
  const args = { ...want, cursor: endOfStream };
  const result = (await backend.query(backend.api.pull, args, user)) as PullResult;
  return result.type !== "denied";
}

/** What is still to come, in words. */
function restless(world: World): string[] {
  return world.devices.flatMap((device) => device.livingTabs.flatMap((tab) => restlessTab(device, tab)));
}

function restlessTab(device: Device, { name, isReady, replica }: Device["tabs"][number]): string[] {
  if (!isReady) return [`tab ${name} is not ready`];
  const { pending, blocked, scopes: read } = replica.status.get();
  if (pending > 0) {
    const states = replica.transactions.list().map(({ id, state }) => `"${id}" ${state}`);
    return [`tab ${name} has ${states.join(", ")}${blocked === null ? "" : ` (${blocked.message})`}`];
  }
  return device.wants.flatMap(({ collection, scope }) => {
    const found = read.find((each) => each.collection === collection && each.scope === scope);
    const state = found?.state ?? "unknown";
    return state === "live" || state === "denied" ? [] : [`tab ${name} reads ${scope}: ${state}`];
  });
}
