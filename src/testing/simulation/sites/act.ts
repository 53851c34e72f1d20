// What each step of this app's own does to the world.
import type { Transaction } from "../../../client/base/types.js";
import { checkHandedOver, isTaken, noteMade } from "../act.js";
import type { Device } from "../device.js";
import type { Tab } from "../tab.js";
import type { World } from "../world.js";
import { applyOnTab, operationsOnServer, sitesOn } from "./changes.js";
import { newest } from "./releases.js";
import type { SitesInWorld } from "./sitesApp.js";
import type { Change, SiteStep } from "./steps.js";

type Write = Extract<SiteStep, { do: "write" }>;

export async function actOnSites(world: World, app: SitesInWorld, step: SiteStep): Promise<void> {
  const { backend } = app;
  switch (step.do) {
    case "write": {
      const device = world.devices[step.device];
      const tab = device?.tab(step.tab);
      if (device !== undefined && tab?.isUsable) await writeOnTab(world, device, tab, step);
      return;
    }
    case "upgrade": {
      const device = world.devices[step.device];
      if (device !== undefined) device.version = Math.min(newest, device.version + 1);
      return;
    }
    case "permit":
      for (const device of world.devices) if (device.user === step.user) device.mayHaveLost = true;
      app.permissions.permit(step.user, step.scope, step.isReadable);
      return world.server.noteChange();
    case "serverWrite":
      return void writeOnServer(world, app, step.changes);
    // What the server does by itself is begun here: how long it takes is the engine's affair.
    case "compact":
      return void backend.compact(step.documents);
    case "purge":
      return void backend.purge(step.document);
    case "newEpoch":
      return void backend.newEpoch();
    case "deploy":
      return app.deploy(Math.min(newest, app.version + 1));
    case "rollBack":
      return app.deploy(Math.max(1, app.version - 1));
    case "backUp":
      return app.backUp(world);
    case "restore":
      return app.restore();
  }
}

async function writeOnTab(
  world: World,
  device: Device,
  tab: Tab,
  { isGroup, changes }: Write,
): Promise<void> {
  const made: Transaction[] = [];
  const write = (work: () => Transaction[]) => isTaken(world, () => made.push(...work()));
  const apply = (change: Change) => applyOnTab(sitesOn(tab), tab.version, change);
  if (isGroup) write(() => [tab.replica.transact(() => changes.forEach((change) => void apply(change)))]);
  else for (const change of changes) write(() => apply(change));
  for (const transaction of made) noteMade(world, tab, transaction);
  await checkHandedOver(world, device, tab, made);
}

async function writeOnServer(world: World, app: SitesInWorld, changes: readonly Change[]): Promise<void> {
  const writes = changes.map((change) => ({
    document: change.document,
    operations: operationsOnServer(change, world.truth.get("sites", change.document)?.row ?? null),
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
  if (await app.backend.write(different)) app.ledger.noteServer(noted);
}
