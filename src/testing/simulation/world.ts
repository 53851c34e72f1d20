import { ConvexError } from "convex/values";
import type { Stored } from "../../client/ports/storage.js";
import type { PullArgs, PullResult, PushResult, StatusArgs, TransactionStatus } from "../../shared/wire.js";
import { SeededRandom } from "../random.js";
import { Violation } from "../violation.js";
import type { AppInWorld, SimulatedApp } from "./app.js";
import type { Left } from "./backend.js";
import { DiskCheck } from "./checkDisk.js";
import { checkDurable } from "./checkDurable.js";
import { checkAnswer, checkPull, checkStatuses } from "./checkServer.js";
import { Device } from "./device.js";
import { Answers, isPull, isPush } from "./observations.js";
import type { DeviceSetup, Script } from "./script.js";
import { Server, type Outcome } from "./server.js";
import type { Timeline } from "./timeline.js";
import type { Trace } from "./trace.js";
import { Truth } from "./truth.js";

/** Everything that a script happens to, and what is seen of it. */
export class World {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly app: AppInWorld;
  readonly server: Server;
  readonly truth: Truth;
  readonly answers = new Answers();
  readonly devices: readonly Device[] = [];
  readonly diskChecks = new Map<Device, DiskCheck>();
  /** Whether devices store a catch-up in parts. */
  readonly storesInParts: boolean;
  /** The first of the app's. */
  readonly mainCollection: string;
  readonly #seed: number;
  /** Transactions that were applied and that a restored backup has undone. */
  readonly #undone = new Set<string>();
  #violation: Violation | null = null;

  static async create<Step>(
    script: Script<Step>,
    simulated: SimulatedApp<Step>,
    timeline: Timeline,
    trace: Trace,
  ): Promise<{ readonly world: World; readonly app: AppInWorld<Step> }> {
    const app = await simulated.start({
      seed: script.seed,
      timeline,
      onCommit: (left) => world.#seeCommit(left),
      onChange: () => world.server.noteChange(),
      note: (line) => trace.add(`${timeline.now()} ${line}`),
      onViolation: (violation) => void (world.#violation ??= violation),
    });
    const world: World = new World(script, simulated, app as AppInWorld, timeline, trace);
    await app.begin(world);
    for (const device of world.devices)
      for (let tab = 0; tab < (script.devices[device.index]?.tabs ?? 1); tab++) device.open();
    return { world, app };
  }

  private constructor(
    { seed, devices, catchUpEntries }: Script<unknown>,
    { releases }: SimulatedApp<never>,
    app: AppInWorld,
    timeline: Timeline,
    trace: Trace,
  ) {
    this.timeline = timeline;
    this.trace = trace;
    this.app = app;
    this.#seed = seed;
    this.storesInParts = catchUpEntries !== undefined;
    this.truth = new Truth(releases);
    this.mainCollection = releases.collections(1)[0]?.name ?? "";
    this.server = new Server(app.backend, timeline, new SeededRandom(seed ^ 0x5eed), {
      onQuery: (args, user, outcome) => this.#guard(() => this.#seeQuery(args, user, outcome)),
      onMutation: (args, user, outcome) => this.#seeMutation(args, user, outcome),
    });
    for (const setup of devices) this.#addDevice(setup, seed);
    timeline.onEvent(() => this.#look());
  }

  /** A device that was not there before, with nothing on its disk. */
  join(setup: DeviceSetup): void {
    this.#addDevice(setup, 1).open();
  }

  /** What has not gone as it must. Kept until the runner asks: it was noticed in the middle of somebody else's code. */
  throwIfViolated(): void {
    if (this.#violation !== null) throw this.#violation;
  }

  /**
   * What is known of the server now. @returns is to be called when a backup of this moment was restored: goes back to it,
   * and returns the transactions that were applied since then
   */
  remember(): () => readonly string[] {
    const [documents, all] = [this.truth.documents, [...this.answers.all]];
    return () => {
      const applied = [...this.answers.final.keys()].filter((id) => this.answers.isApplied(id));
      this.answers.restore(all);
      const undone = applied.filter((id) => !this.answers.isApplied(id));
      for (const id of undone) this.#undone.add(id);
      this.truth.restore(documents);
      return undone;
    };
  }

  /**
   * Whether the user knows of a transaction as done that the server knows nothing of: it was, until a backup was restored,
   * and left the device's outbox before the device had turned to the new epoch.
   */
  isUndone(device: Device, id: string): boolean {
    return this.#undone.has(id) && device.settledBefore.has(id);
  }

  #addDevice(setup: DeviceSetup, seed: number): Device {
    const { releases } = this.truth;
    const index = this.devices.length;
    const device: Device = new Device(index, seed, setup, releases, this.timeline, this.server, {
      onStored: (_, method) => this.#guard(() => this.#seeStored(device, method)),
      onSend: (_, args) =>
        this.#guard(() => isPush(args) && this.diskChecks.get(device)?.checkSent(device.onDisk, args)),
    });
    this.diskChecks.set(device, new DiskCheck(this.truth));
    (this.devices as Device[]).push(device);
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
    this.diskChecks.get(device)?.checkCursors(stored);
    this.diskChecks.get(device)?.checkDocuments(stored);
  }

  #noteSettled(device: Device, { scopes, outbox }: Stored): void {
    const { mainCollection, truth } = this;
    const epoch = scopes.find(({ collection }) => collection === mainCollection)?.epoch;
    if (epoch === truth.epochOf(mainCollection)) return;
    const left = new Set(outbox.map(({ transaction }) => transaction.id));
    for (const id of device.stored.keys()) if (!left.has(id)) device.settledBefore.add(id);
  }

  #seeQuery(args: object, user: string | null, outcome: Outcome): void {
    if (!outcome.ok) return this.#seeRefusal(args, user, outcome.error);
    if (isPull(args)) this.#seePull(args, user, outcome.value as PullResult);
    else this.#seeStatus(args as StatusArgs, user, outcome.value as TransactionStatus[]);
  }

  /**
   * A question may be refused, with a code: one about another user's transactions, say, under an expired token. Who is not
   * signed in some apps refuse in any way.
   */
  #seeRefusal(args: object, user: string | null, error: Error): void {
    if (!(error instanceof ConvexError) && !this.app.mayThrow(user)) throw error;
    this.trace.add(`${this.timeline.now()} ${isPull(args) ? "pull" : "status"} ${user} ${error.message}`);
  }

  #seeStatus({ transactions }: StatusArgs, user: string | null, statuses: TransactionStatus[]): void {
    const told = statuses.map(({ id, status }) => `${id} ${status}`);
    this.trace.add(`${this.timeline.now()} status ${user} ${told.join(", ")}`);
    checkStatuses(transactions, statuses, this.answers);
  }

  #seePull(args: PullArgs, user: string | null, result: PullResult): void {
    const { collection, scope, cursor } = args;
    const shown =
      result.type === "page" ? result.entries.map(({ document, type }) => `${document} ${type}`) : [];
    this.trace.add(
      `${this.timeline.now()} pull ${user} ${scope}@${cursor.ts} ${result.type} ${shown.join(", ")}`,
    );
    checkPull(this.app.mayRead(user, { collection, scope }), this.truth, args, user, result);
  }

  #seeCommit(left: Left): void {
    this.#guard(() => {
      this.truth.take(left);
      this.app.onCommit(this);
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
      this.app.onAnswered(this, args, result);
    });
  }

  #look(): void {
    this.#guard(() => {
      for (const device of this.devices) {
        this.app.look(this, device);
        for (const tab of device.livingTabs) {
          checkDurable(device, tab);
          this.app.lookAtTab(device, tab);
          if (!tab.isDirty || !tab.isReady || tab.life.isFrozen) continue;
          tab.isDirty = false;
          this.app.lookAtRows(this, device, tab);
        }
      }
    });
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
