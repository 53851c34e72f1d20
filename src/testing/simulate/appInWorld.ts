// An app of which nothing is known but what its test says, in one run.
import { ConvexError } from "convex/values";
import type { AnyCollection } from "../../collections/index.js";
import { ReplicaError } from "../../client/base/errors.js";
import type { Replica } from "../../client/base/types.js";
import type { Operation } from "../../shared/operations.js";
import type { PushArgs, PushResult } from "../../shared/wire.js";
import { SeededRandom } from "../random.js";
import { checkHandedOver, noteMade } from "../simulation/act.js";
import type { AppInWorld } from "../simulation/app.js";
import type { Device } from "../simulation/device.js";
import type { DeviceSetup } from "../simulation/script.js";
import type { Tab } from "../simulation/tab.js";
import type { World } from "../simulation/world.js";
import { Violation } from "../violation.js";
import type { AppBackend } from "./appBackend.js";
import { checkApplied } from "./checkApplied.js";
import { checkPending } from "./checkPending.js";
import { createChoices } from "./choices.js";
import type { AnySchema, SimulateOptions } from "./options.js";
import type { AppStep } from "./steps.js";

/** Of any app: its own types end where its test calls `simulate`. */
export type AnyOptions = SimulateOptions<readonly AnyCollection[], AnySchema>;
type Behaviour = Pick<AnyOptions, "setUp" | "writes" | "serverWrites" | "check">;

export class AnyAppInWorld implements AppInWorld<AppStep> {
  readonly backend: AppBackend;
  readonly #behaviour: Behaviour;
  readonly #newcomers: readonly DeviceSetup[];

  constructor(backend: AppBackend, behaviour: Behaviour, newcomers: readonly DeviceSetup[]) {
    this.backend = backend;
    this.#behaviour = behaviour;
    this.#newcomers = newcomers;
  }

  mayRead(): null {
    return null;
  }

  isSteady(): boolean {
    return false;
  }

  inFirstRelease(operation: Operation): Operation {
    return operation;
  }

  /** At somebody who is signed out, in an app whose users sign in. */
  mayThrow(user: string | null): boolean {
    return user === null && this.#newcomers.every((setup) => setup.user !== null);
  }

  async begin(world: World): Promise<void> {
    const { setUp } = this.#behaviour;
    const { t } = this.backend;
    if (setUp !== undefined) await call(world, "setUp", () => setUp({ t }));
  }

  async act(world: World, step: AppStep): Promise<void> {
    switch (step.do) {
      case "write": {
        const device = world.devices[step.device];
        const tab = device?.tab(step.tab);
        if (device !== undefined && tab?.isUsable) await this.#write(world, device, tab, step);
        return;
      }
      case "serverWrite":
        return this.#writeOnServer(world, step.write, step.seed);
      case "compact": {
        const present = world.truth.documents.filter(({ scope }) => scope !== null);
        if (present.length > 0) await this.backend.compact([new SeededRandom(step.seed).pick(present)]);
        return;
      }
      case "newEpoch":
        return this.backend.newEpoch(step.collection);
    }
  }

  async #write(
    world: World,
    device: Device,
    tab: Tab,
    { write, seed }: Extract<AppStep, { do: "write" }>,
  ): Promise<void> {
    const { replica } = tab;
    if (replica.status.get().readOnly !== null) return;
    const before = new Set(replica.transactions.list().map(({ id }) => id));
    runWrite(world, `writes.${write}`, () =>
      this.#behaviour.writes[write]?.({ replica, random: createChoices(seed) }),
    );
    const made = replica.transactions.list().filter(({ id }) => !before.has(id));
    for (const transaction of made) noteMade(world, tab, transaction);
    await checkHandedOver(world, device, tab, made);
  }

  async #writeOnServer(world: World, name: string, seed: number): Promise<void> {
    const write = this.#behaviour.serverWrites?.[name];
    if (write === undefined) return;
    const { t } = this.backend;
    await call(world, `serverWrites.${name}`, () => write({ t, random: createChoices(seed) }));
  }

  onMade(): void {
    // The app's code knows what it has made.
  }

  onCommit(): void {
    // What a commit must be like is checked of every app.
  }

  onAnswered(world: World, push: PushArgs, result: PushResult): void {
    checkApplied(world, push, result);
  }

  look(): void {
    // Every tab is looked at.
  }

  lookAtTab(): void {
    // Only when it may show something else.
  }

  lookAtRows({ diskChecks }: World, device: Device, tab: Tab): void {
    const disk = diskChecks.get(device);
    if (disk !== undefined) checkPending(tab, (id) => disk.wasAuthored(id));
  }

  putRight(): void {
    // There is one release.
  }

  async checkRest(world: World): Promise<void> {
    const { check } = this.#behaviour;
    if (check === undefined) return;
    const replicas: Replica[] = world.devices.flatMap((each) =>
      each.livingTabs.map(({ replica }) => replica),
    );
    const { t } = this.backend;
    await call(world, "check", async () => check({ t, replicas }));
  }

  compactAll({ truth }: World): Promise<void> {
    return this.backend.compact(truth.documents.filter(({ scope }) => scope !== null));
  }

  newcomers(): readonly DeviceSetup[] {
    return this.#newcomers;
  }
}

/** The app's own code runs, in the tick. @throws Violation by its name, if it throws what is no fault of the device */
function runWrite(world: World, name: string, write: () => unknown): void {
  try {
    const result = write() as { then?: unknown } | undefined;
    if (typeof result?.then === "function") throw new TypeError("it must not be async");
  } catch (error) {
    if (!ReplicaError.is(error, "closed", "schema_too_new")) throw thrownBy(name, error);
    world.trace.add(`refused at once: ${error.code}`);
  }
}

/** Time passes while it runs. @throws Violation by its name, if it throws what is no refusal */
async function call(world: World, name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await world.timeline.until(work());
  } catch (error) {
    if (!(name.startsWith("serverWrites.") && error instanceof ConvexError)) throw thrownBy(name, error);
    world.trace.add(`${name} was refused: ${error.message}`);
  }
}

function thrownBy(name: string, error: unknown): Violation {
  return new Violation(name, error instanceof Error ? (error.stack ?? error.message) : String(error));
}
