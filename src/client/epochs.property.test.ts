import fc from "fast-check";
import { expect, test } from "vitest";
import { pruneLeaves, restoreBackup, takeBackup, type Backup } from "../testing/backup.js";
import { sites } from "../testing/fieldApp.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { connectionEvents, isConnectionEvent, SitesWorld, textOf } from "../testing/testWorld.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 12);
const ids = ["a", "b", "c"] as const;
const countries = ["DE", "FR"];

/** Two devices that read everything, one of them in two tabs; they outlive their tabs. */
class World extends SitesWorld<ServerApp> {
  readonly #profiles = [new TestProfile(), new TestProfile()] as const;
  readonly tabs = [0, 0, 1].map((profile) => this.#open(this.#profiles[profile]!));
  /** Tags that no restore may take away: nobody was told yet that they are on the server. */
  readonly kept = new Set<string>();
  #backup: Backup | null = null;
  #visits = 0;

  async crash(index: number): Promise<void> {
    const tab = this.tabs[index]!;
    tab.kill();
    this.tabs[index] = this.#open(tab.profile);
    await this.tabs[index]!.replica.ready;
  }

  /** An increment, and a tag by which it is known: as many tags as visits, or one was lost or counted twice. */
  visit(index: number, id: string): void {
    const { col } = this.tabs[index]!;
    if (!col.has(id)) return;
    const tag = `v${this.#visits++}`;
    col.update(id, (draft) => {
      draft.visits.increment();
      draft.tags.add(tag);
    });
  }

  async backUp(): Promise<void> {
    this.#backup = await takeBackup(this.app);
  }

  async restore(): Promise<void> {
    await this.quiet();
    const stored = this.#profiles.flatMap(({ database }) => [
      ...(database.data?.contents.outbox.values() ?? []),
    ]);
    const waiting = new Set(
      stored
        .filter(({ transaction }) => transaction.failure === undefined)
        .flatMap(({ transaction }) => tagsOf(transaction.changes)),
    );
    for (const tag of this.kept) if (!waiting.has(tag)) this.kept.delete(tag); // it was there, and is restored away
    for (const tag of waiting) this.kept.add(tag);
    await restoreBackup(this.app, this.#backup ?? (await takeBackup(this.app)));
    await this.network.refresh();
  }

  async newEpoch(): Promise<void> {
    await this.app.t.mutation((ctx) => this.app.replicate.admin(ctx).newEpoch(sites));
    await this.network.refresh();
  }

  async settle(): Promise<void> {
    await this.connectAll(this.tabs);
    const rows = textOf(await this.rows());
    await this.waitUntil(() => this.tabs.every(({ col }) => textOf(col.rows()) === rows), 2_000).catch(
      () => {},
    );
  }

  async rows() {
    return (await this.app.rows()).map(({ _id, ...row }) => row);
  }

  /** With two subscriptions, so that the scopes of the collection are read anew at different times. */
  #open(profile: TestProfile) {
    const tab = this.open({ profile });
    for (const country of countries) tab.replica.subscribe(sites, { scopes: [country] });
    return tab;
  }
}

function tagsOf(changes: readonly { readonly operations: readonly { readonly type: string }[] }[]): string[] {
  return changes
    .flatMap(({ operations }) => operations)
    .flatMap((operation) => ("member" in operation ? [String(operation.member)] : []));
}

const device = fc.constantFrom(0, 0, 1, 2, 2);
const id = fc.constantFrom(...ids);
const of = <const T extends string>(...types: T[]) =>
  fc.record({ type: fc.constantFrom(...types), device, id });
const step = fc.oneof(
  { weight: 8, arbitrary: of("visit") },
  { weight: 6, arbitrary: of("visitUnseen", "visitUnanswered") },
  { weight: 3, arbitrary: of("move", "rename") },
  { weight: 1, arbitrary: of("insert", "delete") },
  { weight: 4, arbitrary: of("wait") },
  { weight: 4, arbitrary: of("offline", "online", "loseAnswer", "loseRequest", "hold", "release", "crash") },
  { weight: 3, arbitrary: of("backUp", "restore", "restore", "newEpoch", "prune") },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function take(world: World, { type, device, id }: Step): Promise<unknown> {
  const { client, col } = world.tabs[device]!;
  if (isConnectionEvent(type)) return connectionEvents[type](client);
  switch (type) {
    case "visit":
      return world.visit(device, id);
    case "visitUnseen": // applied and answered, but the stream does not bring it yet
      client.reconnect();
      client.hold();
      world.visit(device, id);
      return world.runTimers(3);
    case "visitUnanswered":
      client.reconnect();
      client.loseNextAnswer();
      world.visit(device, id);
      return world.runTimers(3);
    case "move":
      return (
        col.has(id) && col.update(id, (draft) => void (draft.country = draft.country === "DE" ? "FR" : "DE"))
      );
    case "rename":
      return col.has(id) && col.update(id, (draft) => void (draft.name += "!"));
    case "insert":
      return col.has(id) || col.insert({ id, name: "new", country: "DE" });
    case "delete":
      return col.has(id) && col.delete(id);
    case "wait":
      return world.runTimers(3);
    case "crash":
      return world.crash(device);
    case "backUp":
      return world.backUp();
    case "restore":
      return world.restore();
    case "newEpoch":
      return world.newEpoch();
    case "prune":
      return pruneLeaves(world.app).then(() => world.network.refresh());
  }
}

test("I-3, I-4, I-8, I-18: whatever is restored, pruned or killed when, rows end as the server's, and every increment counts once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 40, size: "max" }),
      fc.nat(),
      async (steps, seed) => {
        const app = createServerApp();
        await app.writer((writer) =>
          writer.insertMany(
            ids.map((each) => ({ id: each, name: each, country: each === "c" ? "FR" : "DE" })),
          ),
        );
        const world = new World(app, { seed });
        await world.settle();
        for (const each of steps) await take(world, each);
        await world.settle();
        const rows = await world.rows();
        for (const { col } of world.tabs) expect(textOf(col.rows())).toBe(textOf(rows));
        for (const { tags, visits } of rows) expect(visits).toBe(tags.length);
        const failed = world.tabs.flatMap(({ replica }) => replica.transactions.list({ state: "failed" }));
        for (const { error } of failed) expect(["exists", "unknown_document"]).toContain(error?.code);
        const isDeleted = steps.some(({ type }) => type === "delete");
        const known = new Set([
          ...rows.flatMap(({ tags }) => tags),
          ...failed.flatMap(({ changes }) => tagsOf(changes)),
        ]);
        if (!isDeleted) for (const tag of world.kept) expect(known).toContain(tag);
      },
    ),
    { seed: 1, numRuns, endOnFailure: true },
  );
}, 300_000);
