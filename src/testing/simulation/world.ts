import { ConvexError } from "convex/values";
import type { Stored } from "../../client/ports/storage.js";
import type { PullArgs, PullResult, PushResult, StatusArgs, TransactionStatus } from "../../shared/wire.js";
import { SeededRandom } from "../random.js";
import { Violation } from "../violation.js";
import type { AccessRules, Backend, BackendDriver, Left } from "./backend.js";
import { DiskCheck } from "./checkDisk.js";
import { checkAnswer, checkPull, checkStatuses, checkWhole } from "./checkServer.js";
import { checkDurable, checkWholeOnTab, halfOnTab, TabCheck } from "./checkTab.js";
import { Device } from "./device.js";
import { Ledger } from "./ledger.js";
import { Answers, isPull, isPush } from "./observations.js";
import { Server, type Outcome } from "./server.js";
import { allDocuments, steadyDocuments, type Script } from "./steps.js";
import type { Tab } from "./tab.js";
import type { Timeline } from "./timeline.js";
import type { Trace } from "./trace.js";
import { Truth } from "./truth.js";

/** Everything that a script happens to, and what is seen of it. */
export class World implements AccessRules {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly server: Server;
  readonly truth = new Truth();
  readonly answers = new Answers();
  readonly ledger = new Ledger();
  readonly devices: readonly Device[];
  readonly diskChecks = new Map<Device, DiskCheck>();
  readonly #unreadable = new Set<string>();
  /** What they show from the start is of the middle of a catch-up. */
  readonly #begunByHalves = new Set<Tab>();
  readonly #tabChecks = new Map<Tab, TabCheck>();
  /** Devices that have read all there is since their leader last changed: what they show is whole. */
  readonly #whole = new Map<Device, Tab>();
  /** Brings back what the server held when the last backup was taken, and what was known of it then. */
  #restoreBackup: (() => Promise<void>) | null = null;
  /** Transactions that were applied and that a restored backup has undone. */
  readonly #undone = new Set<string>();
  /** The release of the app's functions. */
  version = 1;
  readonly #storesInParts: boolean;
  #violation: Violation | null = null;

  static async create(
    script: Script,
    timeline: Timeline,
    trace: Trace,
    driver: BackendDriver,
  ): Promise<World> {
    const backend = await driver.start({
      seed: script.seed,
      timeline,
      documents: allDocuments,
      mayRead: (user, scope) => world.mayRead(user, scope),
      onCommit: (left) => world.#seeCommit(left),
      onChange: () => world.server.noteChange(),
      note: (line) => trace.add(`${timeline.now()} ${line}`),
      onViolation: (violation) => void (world.#violation ??= violation),
    });
    const world: World = new World(script, timeline, trace, backend);
    const inserted = steadyDocuments.map((document) => ({
      document,
      operations: [{ type: "insert", fields: { name: document, country: "DE", status: "open" } } as const],
    }));
    await timeline.until(backend.write(inserted));
    for (const device of world.devices)
      for (let tab = 0; tab < (script.devices[device.index]?.tabs ?? 1); tab++) device.open();
    return world;
  }

  private constructor(
    { seed, devices, catchUpEntries }: Script,
    timeline: Timeline,
    trace: Trace,
    backend: Backend,
  ) {
    this.timeline = timeline;
    this.trace = trace;
    this.#storesInParts = catchUpEntries !== undefined;
    this.server = new Server(backend, timeline, new SeededRandom(seed ^ 0x5eed), {
      onQuery: (args, user, outcome) => this.#guard(() => this.#seeQuery(args, user, outcome)),
      onMutation: (args, user, outcome) => this.#seeMutation(args, user, outcome),
    });
    this.devices = devices.map((setup, index) => this.#createDevice(index, seed, setup));
    timeline.onEvent(() => this.#look());
  }

  mayRead(user: string | null, scope: string): boolean {
    return user === null || !this.#unreadable.has(`${user}\0${scope}`);
  }

  permit(user: string, scope: string, isReadable: boolean): void {
    if (isReadable) this.#unreadable.delete(`${user}\0${scope}`);
    else this.#unreadable.add(`${user}\0${scope}`);
    this.server.noteChange();
  }

  /** A device that was not there before, with nothing on its disk. */
  join(user: string, scopes: readonly string[], seed: number): Device {
    const device = this.#createDevice(this.devices.length, seed, { user, scopes, tabs: 1 });
    (this.devices as Device[]).push(device);
    device.open();
    return device;
  }

  /** What has not gone as it must. Kept until the runner asks: it was noticed in the middle of somebody else's code. */
  throwIfViolated(): void {
    if (this.#violation !== null) throw this.#violation;
  }

  async backUp(): Promise<void> {
    const { answers, ledger, server, truth } = this;
    const { backend } = server;
    if (backend.backUp === undefined) return;
    const restore = await backend.backUp();
    const [documents, all, standing] = [new Map(truth.documents), [...answers.all], ledger.standing];
    this.#restoreBackup = () =>
      restore(() => {
        const applied = [...answers.final.keys()].filter((id) => answers.isApplied(id));
        answers.restore(all);
        const undone = applied.filter((id) => !answers.isApplied(id));
        for (const id of undone) this.#undone.add(id);
        ledger.restore(standing, undone);
        truth.restore(documents);
      });
  }

  /** Another release of the app's functions. */
  deploy(version: number): void {
    this.version = version;
    this.server.backend.deploy(version);
  }

  async restore(): Promise<void> {
    await this.#restoreBackup?.();
  }

  /**
   * Whether the user knows of a transaction as done that the server knows nothing of: it was, until a backup was restored,
   * and left the device's outbox before the device had turned to the new epoch.
   */
  isUndone(device: Device, id: string): boolean {
    return this.#undone.has(id) && device.settledBefore.has(id);
  }

  #createDevice(index: number, seed: number, setup: Script["devices"][number]): Device {
    const device: Device = new Device(index, seed, setup, this.timeline, this.server, {
      onStored: (_, method) => this.#guard(() => this.#seeStored(device, method)),
      onSend: (_, args) =>
        this.#guard(() => isPush(args) && this.diskChecks.get(device)?.checkSent(device.onDisk, args)),
    });
    this.diskChecks.set(device, new DiskCheck());
    return device;
  }

  #seeStored(device: Device, method: string): void {
    const stored = device.onDisk;
    if (stored === null) return;
    this.#noteSettled(device, stored);
    this.diskChecks.get(device)?.noteGroups(stored);
    const scopes = stored.scopes.map(({ scope, cursor }) => `${scope}@${cursor.ts}`).join(" ");
    this.trace.add(
      `${this.timeline.now()} disk ${device.index} ${method} outbox ${stored.outbox.length} groups ${stored.groups.length} ${scopes}`,
    );
    if (method !== "commit") return;
    this.diskChecks.get(device)?.checkCursors(stored, this.truth);
    this.diskChecks.get(device)?.checkDocuments(stored);
  }

  #noteSettled(device: Device, { scopes, outbox }: Stored): void {
    const epoch = scopes.find(({ collection }) => collection === "sites")?.epoch;
    if (epoch === this.truth.epoch) return;
    const left = new Set(outbox.map(({ transaction }) => transaction.id));
    for (const id of device.stored.keys()) if (!left.has(id)) device.settledBefore.add(id);
  }

  #seeQuery(args: object, user: string | null, outcome: Outcome): void {
    if (!outcome.ok) return this.#seeRefusal(args, user, outcome.error);
    if (isPull(args)) this.#seePull(args, user, outcome.value as PullResult);
    else this.#seeStatus(args as StatusArgs, user, outcome.value as TransactionStatus[]);
  }

  /** A question may be refused, with a code: one about another user's transactions, say, under an expired token. */
  #seeRefusal(args: object, user: string | null, error: Error): void {
    if (!(error instanceof ConvexError)) throw error;
    this.trace.add(`${this.timeline.now()} ${isPull(args) ? "pull" : "status"} ${user} ${error.message}`);
  }

  #seeStatus({ transactions }: StatusArgs, user: string | null, statuses: TransactionStatus[]): void {
    const told = statuses.map(({ id, status }) => `${id} ${status}`);
    this.trace.add(`${this.timeline.now()} status ${user} ${told.join(", ")}`);
    checkStatuses(transactions, statuses, this.answers);
  }

  #seePull(args: PullArgs, user: string | null, result: PullResult): void {
    const shown =
      result.type === "page" ? result.entries.map(({ document, type }) => `${document} ${type}`) : [];
    this.trace.add(
      `${this.timeline.now()} pull ${user} ${args.scope}@${args.cursor.ts} ${result.type} ${shown.join(", ")}`,
    );
    checkPull(this, this.truth, args, user, result);
  }

  #seeCommit(left: Left): void {
    this.#guard(() => {
      this.truth.take(left);
      checkWhole(this.truth, this.ledger.groups);
    });
  }

  #seeMutation(args: object, user: string | null, outcome: Outcome): void {
    this.#guard(() => {
      if (!isPush(args)) return;
      if (!outcome.ok) return this.trace.add(`${this.timeline.now()} push ${user} ${outcome.error.message}`);
      const result = outcome.value as PushResult;
      const firsts = new Map(this.answers.final);
      const answers = this.answers.take(args, result);
      this.trace.add(
        `${this.timeline.now()} push ${user} ${answers.map(({ id, status, code }) => `${id} ${status} ${code ?? ""}`).join(", ")}`,
      );
      for (const answer of answers) checkAnswer(firsts.get(answer.id), answer);
    });
  }

  #look(): void {
    this.#guard(() => {
      for (const device of this.devices) {
        this.#lookAtLeader(device);
        for (const tab of device.livingTabs) this.#lookAtTab(device, tab);
      }
    });
  }

  #lookAtLeader(device: Device): void {
    const leader = device.livingTabs.find(({ replica }) => replica.status.get().leader);
    if (leader === undefined || this.#whole.get(device) !== leader) this.#whole.delete(device);
    if (leader === undefined) return;
    const scope = leader.replica.status.get().scopes.find((each) => each.scope === "DE");
    if (scope?.state === "live") this.#whole.set(device, leader);
    if (scope === undefined || scope.state === "bootstrapping" || scope.state === "denied")
      this.#whole.delete(device);
  }

  #lookAtTab(device: Device, tab: Tab): void {
    checkDurable(device, tab);
    for (const { transaction } of tab.made)
      if (transaction.state === "failed") this.ledger.noteFallen(transaction.id);
    if (!tab.isDirty || !tab.isReady || tab.life.isFrozen) return;
    tab.isDirty = false;
    const isNew = !this.#tabChecks.has(tab);
    const check = this.#tabChecks.get(tab) ?? new TabCheck(tab);
    this.#tabChecks.set(tab, check);
    check.look(this.ledger);
    this.#checkWhole(device, tab, isNew);
  }

  /**
   * What was in the middle of catching up when a tab began to show it may be shown by halves until it is all there, and so may
   * what came with a first load, until the tab has heard of its end. So may a
   * catch-up that is stored in parts be by a tab that thaws meanwhile, and reads the database.
   */
  #checkWhole(device: Device, tab: Tab, isNew: boolean): void {
    const { groups } = this.ledger;
    const isHalf = halfOnTab(tab, groups) !== null;
    if (isHalf && (isNew || !this.#whole.has(device))) this.#begunByHalves.add(tab);
    if (!isHalf) this.#begunByHalves.delete(tab);
    const isOutdated = tab.replica.status.get().readOnly !== null;
    if (this.#storesInParts && tab.life.hasBeenFrozen) return;
    if (this.#whole.has(device) && !isOutdated && !this.#begunByHalves.has(tab)) checkWholeOnTab(tab, groups);
  }

  #guard(look: () => unknown): void {
    try {
      look();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation ??= error;
    }
  }
}
