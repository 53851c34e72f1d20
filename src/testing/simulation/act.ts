// What each step does to the world.
import { ReplicaError } from "../../client/base/errors.js";
import type { Transaction } from "../../client/base/types.js";
import { Violation } from "../violation.js";
import { applyOnTab, operationsOnServer } from "./changes.js";
import type { Device } from "./device.js";
import { newest } from "./releases.js";
import type { Change, Step } from "./steps.js";
import type { Tab } from "./tab.js";
import type { World } from "./world.js";

type Write = Extract<Step, { do: "write" }>;

export async function act(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case "pass":
      return world.timeline.pass(step.ms);
    case "permit":
      for (const device of world.devices) if (device.user === step.user) device.mayHaveLost = true;
      return world.permit(step.user, step.scope, step.isReadable);
    case "serverWrite":
      return void writeOnServer(world, step.changes);
    // What the server does by itself is begun here: how long it takes is the engine's affair.
    case "compact":
      return void world.server.backend.compact(step.documents);
    case "purge":
      return void world.server.backend.purge(step.document);
    case "tidy":
      return void world.server.backend.tidy();
    case "deploy":
      return world.deploy(Math.min(newest, world.version + 1));
    case "rollBack":
      return world.deploy(Math.max(1, world.version - 1));
    case "newEpoch":
      return void world.server.backend.newEpoch();
    case "backUp":
      return world.backUp();
    case "restore":
      return world.restore();
    default: {
      const device = world.devices[step.device];
      if (device !== undefined) await actOnDevice(world, device, step);
    }
  }
}

type DeviceStep = Extract<Step, { device: number }>;

async function actOnDevice(world: World, device: Device, step: DeviceStep): Promise<void> {
  const { link, disk } = device;
  switch (step.do) {
    case "open":
      return device.open();
    case "upgrade":
      return void (device.version = Math.min(newest, device.version + 1));
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
      device.wants.add(step.scope);
      return device.livingTabs.forEach((tab) => tab.subscribe(step.scope));
    case "unsubscribe":
      device.wants.delete(step.scope);
      device.keepsOther = true;
      device.mayHaveLost = true;
      return device.livingTabs.forEach((tab) => tab.unsubscribe(step.scope, step.keepData));
    default: {
      const tab = device.tab(step.tab);
      if (tab !== undefined) await actOnTab(world, device, tab, step);
    }
  }
}

async function actOnTab(
  world: World,
  device: Device,
  tab: Tab,
  step: Extract<Step, { tab: number }>,
): Promise<void> {
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
    case "write":
      return tab.isUsable ? writeOnTab(world, device, tab, step) : undefined;
  }
}

async function writeOnTab(
  world: World,
  device: Device,
  tab: Tab,
  { isGroup, changes }: Write,
): Promise<void> {
  const made: Transaction[] = [];
  const write = (work: () => Transaction[]) => attempt(world, () => made.push(...work()));
  if (isGroup)
    write(() => [
      tab.replica.transact(() => changes.forEach((change) => applyOnTab(tab.sites, tab.version, change))),
    ]);
  else for (const change of changes) write(() => applyOnTab(tab.sites, tab.version, change));
  for (const transaction of made) note(world, tab, transaction);
  await world.timeline.rest();
  for (const { id, changes: own } of made)
    if (own.length > 0 && tab.life.isAlive && !device.disk.asked.has(id))
      throw new Violation("I-1", `"${id}" was not handed to the storage in the tick in which it was made`);
}

/** @returns whether it was not refused at once, for a reason that a user may give rise to */
function attempt(world: World, write: () => unknown): boolean {
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

function note(world: World, tab: Tab, transaction: Transaction): void {
  world.trace.add(`tab ${tab.name} made ${transaction.id}`);
  world.ledger.note(transaction.id, transaction.changes);
  tab.note(transaction);
}

function decide(world: World, device: Device, tab: Tab, how: "retry" | "discard"): void {
  const [failed] = tab.replica.transactions.list({ state: "failed" });
  if (failed === undefined || tab.replica.status.get().readOnly !== null) return;
  if (how === "retry") {
    const retry = () => note(world, tab, failed.retry());
    if (!attempt(world, retry)) return;
  } else failed.discard();
  device.decided.add(failed.id);
}

async function writeOnServer(world: World, changes: readonly Change[]): Promise<void> {
  const writes = changes.map((change) => ({
    document: change.document,
    operations: operationsOnServer(change, world.truth.documents.get(change.document)?.row ?? null),
  }));
  const different = writes.filter(
    ({ document, operations }, at) =>
      operations.length > 0 && writes.findIndex((other) => other.document === document) === at,
  );
  if (different.length === 0) return;
  const noted = different.map(({ document, operations }) => ({
    collection: "sites",
    id: document,
    operations,
  }));
  if (await world.server.backend.write(different)) world.ledger.noteServer(noted);
}
