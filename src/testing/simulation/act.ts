// What each step that any app may meet does to the world.
import { ReplicaError } from "../../client/base/errors.js";
import type { Transaction } from "../../client/base/types.js";
import { Violation } from "../violation.js";
import type { Device } from "./device.js";
import type { EnvironmentStep } from "./script.js";
import type { Tab } from "./tab.js";
import type { World } from "./world.js";

export async function act(world: World, step: EnvironmentStep): Promise<void> {
  switch (step.do) {
    case "pass":
      return world.timeline.pass(step.ms);
    // What the server does by itself is begun here: how long it takes is the engine's affair.
    case "tidy":
      return void world.server.backend.tidy();
    default: {
      const device = world.devices[step.device];
      if (device !== undefined) await actOnDevice(world, device, step);
    }
  }
}

type DeviceStep = Extract<EnvironmentStep, { device: number }>;

async function actOnDevice(world: World, device: Device, step: DeviceStep): Promise<void> {
  const { link, disk } = device;
  switch (step.do) {
    case "open":
      return device.open();
    case "offline":
      return device.goOffline();
    case "online":
      return device.goOnline();
    case "halfOpen":
      return device.livingTabs.forEach(({ connection }) => connection.die());
    case "latency":
      return void (link.latencyMs = step.ms);
    case "loseRequest":
      return void (link.lostRequests += step.times);
    case "loseAnswer":
      return void (link.lostAnswers += step.times);
    case "duplicate":
      return void (link.duplicates += step.times);
    case "failPush":
      return void (link.failures += step.times);
    case "storageFault":
      return disk.fail(step.method, step.code, step.times);
    case "slowDisk":
      return void (disk.latencyMs = step.ms);
    case "lapse":
      return void (link.user = null);
    case "refresh":
      link.user = device.user;
      return device.livingTabs.forEach(({ connection }) => connection.reauthenticate());
    case "skew":
      return void (device.skew.ms = step.ms);
    case "subscribe":
      return device.want({ collection: step.collection ?? world.mainCollection, scope: step.scope });
    case "unsubscribe": {
      const want = { collection: step.collection ?? world.mainCollection, scope: step.scope };
      return device.unwant(want, step.keepData);
    }
    default: {
      const tab = device.tab(step.tab);
      if (tab !== undefined) actOnTab(world, device, tab, step);
    }
  }
}

function actOnTab(world: World, device: Device, tab: Tab, step: Extract<DeviceStep, { tab: number }>): void {
  switch (step.do) {
    case "close":
      if (tab.isUsable) void tab.close();
      return;
    case "kill":
      return tab.life.endAfter(step.after);
    case "freeze":
      return tab.life.freeze();
    case "thaw":
      return tab.life.thaw();
    case "steal":
      return device.profile.steal(tab.life, step.ms);
    case "decide":
      return tab.isUsable ? decide(world, device, tab, step.how) : undefined;
  }
}

function decide(world: World, device: Device, tab: Tab, how: "retry" | "discard"): void {
  const [failed] = tab.replica.transactions.list({ state: "failed" });
  if (failed === undefined || tab.replica.status.get().readOnly !== null) return;
  if (how === "retry") {
    const retry = () => noteMade(world, tab, failed.retry());
    if (!isTaken(world, retry)) return;
  } else failed.discard();
  device.decided.add(failed.id);
}

/** The app's code on a tab has made a transaction. */
export function noteMade(world: World, tab: Tab, transaction: Transaction): void {
  world.trace.add(`tab ${tab.name} made ${transaction.id}`);
  world.app.onMade(transaction);
  tab.note(transaction);
}

/** @returns whether a write was not refused at once, for a reason that a user may give rise to */
export function isTaken(world: World, write: () => unknown): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (!ReplicaError.is(error, "exists", "unknown_document", "invalid_row", "closed", "schema_too_new"))
      throw error;
    world.trace.add(`refused at once: ${error.code}`);
    return false;
  }
}

/** I-1: once everything has come to wait for something, what was just made is with the storage. */
export async function checkHandedOver(
  world: World,
  device: Device,
  tab: Tab,
  made: readonly Transaction[],
): Promise<void> {
  await world.timeline.rest();
  for (const { id, changes } of made)
    if (changes.length > 0 && tab.life.isAlive && !device.disk.asked.has(id))
      throw new Violation("I-1", `"${id}" was not handed to the storage in the tick in which it was made`);
}
