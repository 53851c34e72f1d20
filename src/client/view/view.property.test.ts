// What is shown is kept up to date change by change. Whatever has happened, it is the same as if it were worked out from
// the confirmed row and all pending operations by the plain functions of core (I-7), and so is where transactions stand.
import { v } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import { defineCollection, field, type PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { Operation } from "../../shared/operations.js";
import { emptyPublication, type Publication } from "../base/publication.js";
import { ReplicaError } from "../base/errors.js";
import { pendingOf } from "../base/pendingChange.js";
import { applyToRow } from "../core/overlay.js";
import { rebaseOperations, type MergeRows } from "../core/rebase.js";
import type { StoredChange, StoredTransaction } from "../ports/storage.js";
import type { LocalTransaction } from "./localTransaction.js";
import { View } from "./view.js";

const sites = defineCollection("sites", {
  fields: { name: v.string(), visits: field.counter(), tags: field.set(v.string()) },
});
const ids = ["x", "y"];
const merge: MergeRows = (row, { operations }) => {
  const set = operations.find((operation) => operation.type === "set");
  const value = set?.type === "set" ? String(set.value) : "";
  return { ...row, name: `${String(row["name"])}+${value}`.slice(-6) };
};

const letter = fc.constantFrom("a", "b", "c");
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: letter.map((value): Operation => ({ type: "set", field: "name", value })) },
  { weight: 4, arbitrary: fc.constant<Operation>({ type: "increment", field: "visits", by: 1 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("add" as const, "remove" as const), letter)
      .map(([type, member]): Operation => ({ type, field: "tags", member })),
  },
  { weight: 1, arbitrary: letter.map((name): Operation => ({ type: "insert", fields: { name } })) },
  { weight: 1, arbitrary: fc.constant<Operation>({ type: "delete" }) },
);
const change = fc.record({
  collection: fc.constant("sites"),
  id: fc.constantFrom(...ids),
  operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
});
const changes = fc.array(change, { minLength: 1, maxLength: 3 });
const row = fc.option(
  fc.record({ name: letter, visits: fc.nat(3), tags: fc.constantFrom<string[]>([], ["a"], ["a", "b"]) }),
);
/** Which of those that are there. */
const which = fc.nat(100);
const place = fc.integer({ min: 1, max: 1000 });

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("write" as const), changes, isParallel: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("writeTwoAtOnce" as const), changes, more: changes }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("receive" as const), changes, place, isParallel: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("store" as const), which, place }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse" as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("confirm" as const),
      id: fc.constantFrom(...ids),
      row,
      covers: fc.array(which, { maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("enter" as const),
      which,
      type: fc.constantFrom(
        ...(["waiting", "persisting", "persisted_awaiting_sync", "completed", "failed"] as const),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("reload" as const),
      gone: fc.array(which, { maxLength: 2 }),
      row,
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A view, and beside it what it has to show, in the plainest form. */
class World {
  readonly view = new View(
    [sites],
    { retry: (transaction) => transaction, discard: () => {} },
    new Map([["sites", merge]]),
  );
  readonly confirmed = new Map<string, PlainRow | null>();
  /** Of each document the transactions on it, in the order in which they came. */
  readonly on = new Map<string, LocalTransaction[]>(ids.map((id) => [id, []]));
  readonly covered = new Set<string>();
  readonly told = new Map<string, string>();
  #made = 0;

  constructor() {
    this.view.transactionsChanged.on((changed) => {
      for (const { id, state } of changed) this.told.set(id, state);
    });
  }

  get all(): LocalTransaction[] {
    return [...new Set([...this.on.values()].flat())].filter(({ id }) => this.view.find(id) !== undefined);
  }

  take(step: Step): void {
    switch (step.do) {
      case "write":
        return this.#show(this.#open(step.isParallel, step.changes));
      case "writeTwoAtOnce": {
        const [outer, inner] = [this.#open(false, step.changes), this.#open(false, step.changes)];
        for (const each of step.more) this.#extend(outer, each);
        this.#show(inner);
        return this.#show(outer);
      }
      case "receive": {
        const transaction = this.#stored(step.isParallel, step.changes);
        this.view.receive([{ sequence: this.#unique(step.place), transaction }]);
        return this.#note(this.view.find(transaction.id)!);
      }
      case "store":
        return this.#withOne(
          step.which,
          (each) => this.#store(each, step.place),
          (each) => each.sequence === null,
        );
      case "refuse":
        return this.#withOne(
          step.which,
          (each) => {
            each.failToStore(new ReplicaError("storage_full", "full"));
            this.view.refuse([each]);
          },
          (each) => each.sequence === null && each.phase === "waiting",
        );
      case "confirm":
        return this.#confirm(step.id, step.row === null ? null : { id: step.id, ...step.row }, step.covers);
      case "enter":
        return this.#withOne(step.which, (each) => this.#enter(each, step.type));
      case "remove":
        return this.#withOne(
          step.which,
          (each) => this.view.remove([each]),
          (each) => each.phase === "failed",
        );
      case "reload":
        return this.#reload(step.gone, step.row);
    }
  }

  /** What the plain functions say that is shown. */
  expected(id: string): PlainRow | null {
    return this.#inOrder(id)
      .filter((each) => each.isUnfinished && !this.covered.has(`${each.id} ${id}`))
      .flatMap((each) => each.changes.filter((of) => of.id === id).map((of) => [each, of] as const))
      .reduce<PlainRow | null>(
        (so, [{ stored, strategy }, of]) => {
          const operations =
            strategy === "parallel"
              ? rebaseOperations(sites, so, pendingOf(stored, of), merge)
              : of.operations;
          return applyToRow(sites, id, so, operations);
        },
        this.confirmed.get(id) ?? null,
      );
  }

  /** Those that it waits for. */
  behind(transaction: LocalTransaction): Set<string> {
    if (transaction.strategy === "parallel") return new Set();
    return new Set(
      [...new Set(transaction.changes.map(({ id }) => id))].flatMap((id) => {
        const unfinished = this.#inOrder(id).filter((each) => each.isUnfinished);
        return unfinished.slice(0, unfinished.indexOf(transaction)).map((each) => each.id);
      }),
    );
  }

  #inOrder(id: string): LocalTransaction[] {
    const known = this.on.get(id)!.filter((each) => this.view.find(each.id) === each);
    return known.sort((a, b) => (a.sequence ?? Infinity) - (b.sequence ?? Infinity) || 0);
  }

  #stored(isParallel: boolean, made: readonly StoredChange[]): StoredTransaction {
    const parallel = isParallel ? { strategy: "parallel" as const } : {};
    return {
      id: `t${++this.#made}`,
      createdAt: 0,
      metadata: {},
      isGroup: true,
      changes: [...made],
      ...parallel,
    };
  }

  #open(isParallel: boolean, made: readonly StoredChange[]): LocalTransaction {
    const transaction = this.view.open(this.#stored(isParallel, []));
    for (const each of made) this.#extend(transaction, each);
    return transaction;
  }

  #extend(transaction: LocalTransaction, made: StoredChange): void {
    (transaction.changes as StoredChange[]).push(made);
    this.view.extend(transaction, made);
    this.#note(transaction);
  }

  #show(transaction: LocalTransaction): void {
    this.view.show(transaction);
  }

  #note(transaction: LocalTransaction): void {
    for (const { id } of transaction.changes) {
      const known = this.on.get(id)!;
      if (!known.includes(transaction)) known.push(transaction);
    }
  }

  #store(transaction: LocalTransaction, at: number): void {
    const sequence = this.#unique(at);
    transaction.becomeDurable(sequence);
    this.view.place([{ sequence, transaction: transaction.stored }]);
  }

  #confirm(id: string, row: PlainRow | null, covers: readonly number[]): void {
    this.confirmed.set(id, row);
    const sent = this.all.filter(
      (each) => each.phase === "persisting" || each.phase === "persisted_awaiting_sync",
    );
    const chosen = covers.flatMap((n) => sent[n % sent.length] ?? []);
    for (const each of chosen) this.covered.add(`${each.id} ${id}`);
    const covered = chosen.map((each) => ({ transaction: each.id, collection: "sites", id }));
    this.#publish({ rows: [{ collection: "sites", id, row: row && { ...row } }], covered });
  }

  #enter(
    each: LocalTransaction,
    type: "failed" | Exclude<LocalTransaction["phase"], "failed" | "discarded">,
  ): void {
    if (each.sequence === null || !each.isUnfinished) return;
    if (type === "waiting") for (const id of ids) this.covered.delete(`${each.id} ${id}`);
    const phase =
      type === "failed" ? { type, failure: { code: "denied", message: "no" } as const } : { type };
    this.#publish({ transactions: [{ id: each.id, phase }] });
  }

  #reload(gone: readonly number[], row: Omit<PlainRow, "id"> | null): void {
    const stored = this.all.filter((each) => each.sequence !== null && each.phase !== "failed");
    const left = new Set(gone.map((n) => stored[n % stored.length]));
    const kept = stored.filter((each) => !left.has(each)).sort((a, b) => a.sequence! - b.sequence!);
    for (const each of kept) for (const id of ids) this.covered.delete(`${each.id} ${id}`);
    const [id = ""] = ids;
    for (const each of ids) this.confirmed.set(each, null);
    this.confirmed.set(id, row === null ? null : { id, ...row });
    this.view.load({
      // Read after all of them were stored: those that are not there are gone.
      meta: { client: "c", author: 1, term: 1, commit: 1, lastSettled: 2000 },
      screen: [],
      documents:
        row === null
          ? []
          : [{ collection: "sites", id, scope: "", ts: 1n, row: { id, ...row }, base: new Uint8Array() }],
      outbox: kept.map(({ sequence, stored: transaction }) => ({ sequence: sequence!, transaction })),
      groups: [],
      scopes: [],
      damage: [],
    });
  }

  #publish(some: Partial<Publication>): void {
    this.view.apply({ ...emptyPublication, ...some });
  }

  #withOne(
    n: number,
    act: (each: LocalTransaction) => void,
    isMeant = (_each: LocalTransaction) => true,
  ): void {
    const meant = this.all.filter(isMeant);
    if (meant.length > 0) act(meant[n % meant.length]!);
  }

  /** Places are given once. */
  #unique(at: number): number {
    return at + ++this.#made / 10_000;
  }
}

test("I-5, I-7: rows and states are at every step what they are when worked out from scratch", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const world = new World();
      for (const each of steps) {
        world.take(each);
        const collection = world.view.collections.get("sites")!;
        for (const id of ids)
          expect(canonicalJson(collection.get(id) ?? null), `${id} after ${each.do}`).toBe(
            canonicalJson(world.expected(id)),
          );
        const { all, view } = world;
        for (const transaction of all) {
          const behind = world.behind(transaction);
          if (transaction.phase === "waiting") {
            expect(new Set(transaction.queuedBehind), `${transaction.id} after ${each.do}`).toEqual(behind);
            expect(transaction.state).toBe(behind.size > 0 ? "queued" : "pending");
          }
          expect(world.told.get(transaction.id), `${transaction.id} after ${each.do}`).toBe(
            transaction.state,
          );
        }
        const failed = all.filter((transaction) => transaction.phase === "failed").length;
        expect(view.counts).toEqual({ unfinished: all.length - failed, failed });
      }
    }),
    { seed: 1, numRuns: 400 },
  );
});
