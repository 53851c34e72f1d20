// What the simulation has to know of the app whose devices it simulates: all else is the same for every app.
import type { Transaction } from "../../client/base/types.js";
import type { Operation } from "../../shared/operations.js";
import type { PushArgs, PushResult } from "../../shared/wire.js";
import type { Backend, Surroundings } from "./backend.js";
import type { Device } from "./device.js";
import type { Releases } from "./releases.js";
import type { DeviceSetup, Want } from "./script.js";
import type { Tab } from "./tab.js";
import type { World } from "./world.js";

/** Where an app's functions run. */
export interface Engine {
  /** By name. */
  readonly engine: string;
  /** Whether who asks for the time or for random numbers is a function that the engine has its own for. */
  hasOwnGlobals(): boolean;
  /** When a run begins, in milliseconds since 1970. */
  beginsAt(seed: number): number;
  /** Loads whatever takes real time: in a world that is sealed nothing may, for it would draw from its numbers. */
  prepare(): Promise<void>;
}

/** An app on an engine. `Step`: what may be done to this app only. */
export interface SimulatedApp<Step> extends Engine {
  readonly releases: Releases;
  /** Starts an empty server of it. */
  start(surroundings: Surroundings): Promise<AppInWorld<Step>>;
}

/**
 * An app in one run: it does its own steps, and checks what only it can know. Whatever it throws that is a Violation ends
 * the run.
 */
export interface AppInWorld<Step = never> {
  readonly backend: Backend;
  /** Whether a user may read it, by what the app decides; null: only its functions know. */
  mayRead(user: string | null, want: Want): boolean | null;
  /** A document that nobody deletes, moves, purges, or is refused to write: with what is made of it nothing can be wrong. */
  isSteady(collection: string, id: string): boolean;
  /** An operation of any release as the first one would have made it. */
  inFirstRelease(operation: Operation): Operation;
  /** What is there before any device is. */
  begin(world: World): Promise<void>;
  act(world: World, step: Step): Promise<void>;
  /** A tab's user has made a transaction. */
  onMade(transaction: Transaction): void;
  /** Whether the app's functions may throw what is no refusal at somebody who asks. */
  mayThrow(user: string | null): boolean;
  /** The server has answered a push. */
  onAnswered(world: World, push: PushArgs, result: PushResult): void;
  /** The server has committed something that {@link World.truth} knows by now. */
  onCommit(world: World): void;
  /** After each event: at each device, */
  look(world: World, device: Device): void;
  /** at each of its tabs, */
  lookAtTab(device: Device, tab: Tab): void;
  /** and at each that may show something else than before. */
  lookAtRows(world: World, device: Device, tab: Tab): void;
  /** A run ends: what is wrong with the server is put right. */
  putRight(world: World): void;
  /** Everybody is at rest. */
  checkRest(world: World): Promise<void>;
  compactAll(world: World): Promise<void>;
  /** Who comes at the end, with nothing on their disks. */
  newcomers(): readonly DeviceSetup[];
}
