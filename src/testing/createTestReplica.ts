import type { UserIdentity } from "convex/server";
import type { AnyCollection, InsertOf } from "../collections/index.js";
import type { OverridesOf } from "../client/base/overrides.js";
import type { Replica } from "../client/base/types.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import { emitRows } from "./emitUpdate.js";
import type { SimulatedClient } from "./simulatedNetwork.js";
import type { Restless, TestBackend } from "./testBackend.js";
import { openTestReplica, seededRandomness, TestProfile, type TestTab } from "./testReplica.js";

/** After which a connection that was cut comes back by itself. */
const reconnectMs = 1000;

export interface TestReplicaSetup<Cs extends readonly AnyCollection[]> {
  readonly backend: TestBackend;
  /** The module with the functions of `replicate.api()`: `api.replicate`. */
  readonly api: ReplicaApi;
  readonly collections: Cs;
  /** Whose device it is, as the functions see it; default: nobody is signed in. */
  readonly identity?: Partial<UserIdentity>;
  /** The device that it is on: another tab there, or the next session after a crash. Default: a new device. */
  readonly device?: TestDevice;
  /** As of `createReplica`. */
  readonly overrides?: OverridesOf<Cs>;
}

/** What outlives a replica: the local database, and the lock and the channel of its tabs. */
export type TestDevice = TestProfile;

/** What befalls a replica, and the time that it lives in. */
export interface TestControl<C extends AnyCollection = AnyCollection> {
  readonly device: TestDevice;
  /** Cuts the connection until {@link TestControl.online}. */
  offline(): void;
  online(): void;
  /** @param ms what each message takes from now on, each way */
  setNetworkDelay(ms: number): void;
  /** The next push fails before it takes effect. What comes of it depends on the error, as with the real server. */
  failNextPush(error: Error): void;
  /** The next push takes effect, and the connection is cut before its answer arrives. */
  dropNextResponse(): void;
  /** The next push arrives twice. */
  duplicateNextPush(): void;
  /**
   * Writes rows as another device of the same user does; `settle` waits for it, and throws what it is refused with.
   *
   * @param collection default: the only one, or the first
   */
  emitUpdate<D extends C>(rows: readonly InsertOf<D>[], collection?: D): void;
  /** The process ends here and now, without a word. What was stored is found by the next replica on the same device. */
  crash(): void;
  /**
   * Lets time pass until no replica of the backend that is online has anything to do.
   *
   * @throws Error that says what is still to be done, if that does not come to be
   */
  settle(): Promise<void>;
}

export interface TestReplica<C extends AnyCollection> {
  readonly replica: Replica<C>;
  readonly control: TestControl<C>;
}

/**
 * Opens a replica of a test's own, in memory, on a simulated connection. Time passes for it in `control.settle()` only.
 *
 * @example
 * ```ts
 * const { replica, control } = await createTestReplica({ backend, api: api.replicate, collections: [sites] });
 * control.offline();
 * const tx = replica.collection(sites).insert({ id: "x", name: "Gate", country: "FR" });
 * control.online();
 * await control.settle();
 * await tx.confirmed;
 * ```
 */
export async function createTestReplica<const Cs extends readonly AnyCollection[]>(
  setup: TestReplicaSetup<Cs>,
): Promise<TestReplica<Cs[number]>> {
  const opened = new OpenReplica(setup);
  await opened.replica.ready;
  return { replica: opened.replica, control: opened };
}

class OpenReplica<Cs extends readonly AnyCollection[]> implements TestControl<Cs[number]>, Restless {
  readonly device: TestDevice;
  readonly replica: Replica<Cs[number]>;
  readonly #setup: TestReplicaSetup<Cs>;
  readonly #backend: TestBackend;
  readonly #client: SimulatedClient;
  readonly #tab: TestTab;
  #isOffline = false;
  #emitting: Promise<void> | null = null;
  #isEmitting = false;
  delayMs = 0;

  constructor(setup: TestReplicaSetup<Cs>) {
    const { backend, api, collections, identity, device = new TestProfile(), overrides } = setup;
    const { t, clock, network } = backend;
    this.#setup = setup;
    this.#backend = backend;
    this.device = device;
    this.#tab = device.openTab();
    this.#client = network.connect(identity === undefined ? t : t.withIdentity(identity));
    this.#client.subscribeToConnectionState(() => this.#reconnectSoon());
    this.replica = openTestReplica({
      api,
      client: this.#client,
      collections,
      clock,
      randomness: seededRandomness(backend.nextSeed()),
      tab: this.#tab,
      profile: device,
      ...(overrides === undefined ? {} : { overrides }),
    });
    backend.join(this);
  }

  offline(): void {
    this.#isOffline = true;
    this.#client.disconnect();
  }

  online(): void {
    this.#isOffline = false;
    this.#client.reconnect();
  }

  setNetworkDelay(ms: number): void {
    this.delayMs = ms;
    const { clock } = this.#backend;
    this.#client.delay(ms === 0 ? null : () => new Promise((resolve) => void clock.setTimer(resolve, ms)));
  }

  failNextPush(error: Error): void {
    this.#client.failNextMutation(error);
  }

  dropNextResponse(): void {
    this.#client.loseNextAnswer();
  }

  duplicateNextPush(): void {
    this.#client.duplicateNextMutation();
  }

  emitUpdate<D extends Cs[number]>(rows: readonly InsertOf<D>[], collection?: D): void {
    const definition = (collection ?? this.#setup.collections[0]) as D;
    this.#isEmitting = true;
    const before = this.#emitting ?? Promise.resolve();
    this.#emitting = before.then(() => this.#emit(definition, rows));
    this.#emitting.catch(() => {}); // settle tells
  }

  crash(): void {
    this.#tab.kill();
    this.#client.die();
    this.#backend.leave(this);
  }

  async settle(): Promise<void> {
    await this.#backend.settle();
    const emitting = this.#emitting;
    this.#emitting = null;
    await emitting;
  }

  restless(): readonly string[] {
    const rest = this.#isEmitting ? ["rows are being emitted"] : [];
    if (this.#isOffline) return rest;
    const { connection, pending, blocked, scopes } = this.replica.status.get();
    if (connection === "disconnected") rest.push("a replica is not connected");
    if (pending > 0 && blocked === null) {
      const unfinished = this.replica.transactions.list().filter(({ state }) => state !== "failed");
      rest.push(...unfinished.map(({ id, state }) => `transaction ${id} is ${state}`));
    }
    for (const { collection, scope, state } of scopes)
      if (state !== "live" && state !== "denied") rest.push(`"${scope}" of ${collection} is ${state}`);
    return rest;
  }

  /** By a replica that is there for nothing else. */
  async #emit<D extends Cs[number]>(definition: D, rows: readonly InsertOf<D>[]): Promise<void> {
    const { device: _own, overrides: _others, ...setup } = this.#setup;
    const other = new OpenReplica({ ...setup, collections: [definition] });
    try {
      await other.replica.ready;
      await emitRows(other.replica as unknown as Replica<AnyCollection>, definition, rows);
    } finally {
      await other.replica.close();
      other.crash();
      this.#isEmitting = false;
    }
  }

  #reconnectSoon(): void {
    if (this.#isOffline || this.#client.connectionState().isWebSocketConnected) return;
    this.#backend.clock.setTimer(() => this.#isOffline || this.#client.reconnect(), reconnectMs);
  }
}
