// `sites`, in three releases, as an app that is simulated: the one of this repository's own tests.
import type { Transaction } from "../../../client/base/types.js";
import type { Operation } from "../../../shared/operations.js";
import type { AppInWorld, SimulatedApp } from "../app.js";
import type { Surroundings } from "../backend.js";
import type { Device } from "../device.js";
import { runScript as runAnyScript, type Run } from "../run.js";
import type { DeviceSetup, Want } from "../script.js";
import type { Tab } from "../tab.js";
import type { World } from "../world.js";
import { actOnSites } from "./act.js";
import type { AccessRules, BackendDriver, SiteBackend } from "./backend.js";
import { isSteady } from "./changes.js";
import { checkRewritten, checkSteady } from "./checkSteady.js";
import { checkWhole, checkWholeOnTab, halfOnTab, TabCheck } from "./checkTab.js";
import { Ledger } from "./ledger.js";
import { newest, plainOperation, releases } from "./releases.js";
import { allDocuments, scopes, steadyDocuments, type Script, type SiteStep } from "./steps.js";

const collection = "sites";

/** Runs a script from beginning to end. */
export function runScript(script: Script, driver: BackendDriver): Promise<Run> {
  const devices = script.devices.map(({ scopes: own, ...device }) => ({ ...device, wants: wantsOf(own) }));
  return runAnyScript<SiteStep>({ ...script, devices }, sitesApp(driver));
}

function sitesApp(driver: BackendDriver): SimulatedApp<SiteStep> {
  const start = async (surroundings: Surroundings) => {
    const permissions = new Permissions();
    const mayRead: AccessRules["mayRead"] = (user, scope) => permissions.mayRead(user, scope);
    const backend = await driver.start({ ...surroundings, documents: allDocuments, mayRead });
    return new SitesInWorld(backend, permissions);
  };
  const { engine, prepare } = driver;
  return {
    engine,
    prepare,
    releases,
    start,
    hasOwnGlobals: () => driver.hasOwnGlobals(),
    beginsAt: (seed) => driver.beginsAt(seed),
  };
}

function wantsOf(own: readonly string[]): Want[] {
  return own.map((scope) => ({ collection, scope }));
}

/** What the app's hooks decide by. */
export class Permissions implements AccessRules {
  readonly #unreadable = new Set<string>();

  mayRead(user: string | null, scope: string): boolean {
    return user === null || !this.#unreadable.has(`${user}\0${scope}`);
  }

  permit(user: string, scope: string, isReadable: boolean): void {
    if (isReadable) this.#unreadable.delete(`${user}\0${scope}`);
    else this.#unreadable.add(`${user}\0${scope}`);
  }
}

export class SitesInWorld implements AppInWorld<SiteStep> {
  readonly backend: SiteBackend;
  readonly permissions: Permissions;
  readonly ledger = new Ledger();
  /** The release of the app's functions. */
  version = 1;
  /** Brings back what the server held when the last backup was taken, and what was known of it then. */
  #restoreBackup: (() => Promise<void>) | null = null;
  /** What they show from the start is of the middle of a catch-up. */
  readonly #begunByHalves = new Set<Tab>();
  readonly #tabChecks = new Map<Tab, TabCheck>();
  /** Devices that have read all there is since their leader last changed: what they show is whole. */
  readonly #whole = new Map<Device, Tab>();

  constructor(backend: SiteBackend, permissions: Permissions) {
    this.backend = backend;
    this.permissions = permissions;
  }

  mayRead(user: string | null, { scope }: Want): boolean {
    return this.permissions.mayRead(user, scope);
  }

  isSteady(_collection: string, id: string): boolean {
    return isSteady(id);
  }

  inFirstRelease(operation: Operation): Operation {
    return plainOperation(operation);
  }

  async begin(world: World): Promise<void> {
    const inserted = steadyDocuments.map((document) => ({
      document,
      operations: [{ type: "insert", fields: { name: document, country: "DE", status: "open" } } as const],
    }));
    await world.timeline.until(this.backend.write(inserted));
  }

  act(world: World, step: SiteStep): Promise<void> {
    return actOnSites(world, this, step);
  }

  /** Another release of the app's functions. */
  deploy(version: number): void {
    this.version = version;
    this.backend.deploy(version);
  }

  async backUp(world: World): Promise<void> {
    if (this.backend.backUp === undefined) return;
    const restore = await this.backend.backUp();
    const [goBack, standing] = [world.remember(), this.ledger.standing];
    this.#restoreBackup = () => restore(() => this.ledger.restore(standing, goBack()));
  }

  async restore(): Promise<void> {
    await this.#restoreBackup?.();
  }

  onMade({ id, changes }: Transaction): void {
    this.ledger.note(id, changes);
  }

  mayThrow(): boolean {
    return false;
  }

  onAnswered(): void {
    // What was applied is counted at rest.
  }

  onCommit({ truth }: World): void {
    checkWhole(truth, this.ledger.groups);
  }

  look(_world: World, device: Device): void {
    const leader = device.livingTabs.find(({ replica }) => replica.status.get().leader);
    if (leader === undefined || this.#whole.get(device) !== leader) this.#whole.delete(device);
    if (leader === undefined) return;
    const scope = leader.replica.status.get().scopes.find((each) => each.scope === "DE");
    if (scope?.state === "live") this.#whole.set(device, leader);
    if (scope === undefined || scope.state === "bootstrapping" || scope.state === "denied")
      this.#whole.delete(device);
  }

  lookAtTab(_device: Device, tab: Tab): void {
    for (const { transaction } of tab.made)
      if (transaction.state === "failed") this.ledger.noteFallen(transaction.id);
  }

  lookAtRows({ storesInParts }: World, device: Device, tab: Tab): void {
    const isNew = !this.#tabChecks.has(tab);
    const check = this.#tabChecks.get(tab) ?? new TabCheck(tab);
    this.#tabChecks.set(tab, check);
    check.look(this.ledger);
    this.#checkWhole(device, tab, isNew, storesInParts);
  }

  /**
   * What was in the middle of catching up when a tab began to show it may be shown by halves until it is all there, and so may
   * what came with a first load, until the tab has heard of its end. So may a
   * catch-up that is stored in parts be by a tab that thaws meanwhile, and reads the database.
   */
  #checkWhole(device: Device, tab: Tab, isNew: boolean, storesInParts: boolean): void {
    const { groups } = this.ledger;
    const isHalf = halfOnTab(tab, groups) !== null;
    if (isHalf && (isNew || !this.#whole.has(device))) this.#begunByHalves.add(tab);
    if (!isHalf) this.#begunByHalves.delete(tab);
    const isOutdated = tab.replica.status.get().readOnly !== null;
    if (storesInParts && tab.life.hasBeenFrozen) return;
    if (this.#whole.has(device) && !isOutdated && !this.#begunByHalves.has(tab)) checkWholeOnTab(tab, groups);
  }

  putRight(): void {
    this.deploy(newest);
  }

  async checkRest({ devices, truth, answers }: World): Promise<void> {
    const stored = new Map(devices.flatMap((device) => [...device.stored]));
    checkRewritten(truth.rewritten, answers, stored);
    checkSteady(truth, (document) => this.ledger.applied(document, answers));
  }

  compactAll(): Promise<void> {
    return this.backend.compact(allDocuments);
  }

  newcomers(): readonly DeviceSetup[] {
    return [{ user: "newcomer", wants: wantsOf(scopes), tabs: 1 }];
  }
}
