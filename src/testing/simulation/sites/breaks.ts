// Bugs that are planted in a copy of the sources, one at a time, to see that a simulation turns red on each: one that
// passes broken code is worth nothing. `scripts/plantedBugs.ts` applies them; docs/simulation.md says how often each shows.

export interface PlantedBug {
  readonly name: string;
  /** Beside the folder of the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly search: string;
  readonly replace: string;
  /** Which invariants say so: the first that breaks depends on the seed. */
  readonly caughtBy: readonly string[];
  /** One that shows it; a few after it are tried as well. */
  readonly seed: number;
  /** The only engine that can show it: one on which functions run beside one another. Default: convex-test. */
  readonly engine?: "local";
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "what is sent is stored after it is sent",
    file: "src/client/store/journal.ts",
    search: "const commit = await this.#storage.commit(this.#contents.meta.term, changes);",
    replace:
      "const commit = this.#contents.meta.commit + 1; void this.#storage.commit(this.#contents.meta.term, changes);",
    caughtBy: ["I-1"],
    seed: 1,
  },
  {
    name: "a write is handed to the storage a moment later",
    file: "src/client/outbox/appender.ts",
    search: "queueMicrotask(() => this.#flush())",
    replace: "setTimeout(() => this.#flush(), 5)",
    caughtBy: ["I-1"],
    seed: 1,
  },
  {
    name: "a write is said to be durable before it is stored",
    file: "src/client/outbox/appender.ts",
    search: "const stored = transactions.map((each) => each.stored);",
    replace:
      "const stored = transactions.map((each) => each.stored); for (const each of transactions) each.becomeDurable(0);",
    caughtBy: ["I-1"],
    seed: 1,
  },
  {
    name: "the cursor is forgotten",
    file: "src/client/pages.ts",
    search: "      documents,\n      scopes: [position],\n    },",
    replace: "      documents,\n    },",
    caughtBy: ["I-2"],
    seed: 1,
  },
  {
    name: "the cursor is stored without what it covers",
    file: "src/client/pages.ts",
    search: "      documents,\n      scopes: [position],\n    },",
    replace: "      documents: documents.slice(1),\n      scopes: [position],\n    },",
    caughtBy: ["I-2", "I-19"],
    seed: 1,
  },
  {
    name: "an echo of one's own change is skipped",
    file: "src/client/pages.ts",
    search: "} else if (isStateEntry(entry)) {",
    replace: '} else if (isStateEntry(entry) && (entry.type !== "update" || entry.ts % 2n === 0n)) {',
    caughtBy: ["I-2", "I-19"],
    seed: 1,
  },
  {
    name: "all devices author under one id",
    file: "src/client/replica.ts",
    search: "fresh: { client: randomness.id(), author: randomness.author() },",
    replace: "fresh: { client: randomness.id(), author: 7 },",
    caughtBy: ["I-7", "I-3", "I-15", "I-19", "I-8", "I-4"],
    seed: 5,
  },
  {
    name: "all devices are one client",
    file: "src/client/replica.ts",
    search: "fresh: { client: randomness.id(), author: randomness.author() },",
    replace: 'fresh: { client: "the client", author: randomness.author() },',
    caughtBy: ["I-19", "I-15", "I-8"],
    seed: 1,
  },
  {
    name: "a transaction leaves the overlay with its answer",
    file: "src/client/outbox/answers.ts",
    search: "const isDone = group.updates.every((update) => update.isCovered);",
    replace: "const isDone = group.isAnswered || group.updates.every((update) => update.isCovered);",
    caughtBy: ["I-7"],
    seed: 1,
  },
  {
    name: "a refused transaction is dropped",
    file: "src/client/outbox/answers.ts",
    search:
      "return { commit: { removedGroups: rejected.map(({ group }) => group.sequence), outbox }, publication };",
    replace:
      "return { commit: { removedGroups: rejected.map(({ group }) => group.sequence), removedOutbox: outbox.map(({ sequence }) => sequence) }, publication };",
    caughtBy: ["I-4"],
    seed: 1,
  },
  {
    name: "what waits behind a transaction overtakes it",
    file: "src/client/core/plan.ts",
    search:
      "const isFree = !isDeferred && (isParallel || !documents.some((document) => waiting.has(document)));",
    replace: "const isFree = true;",
    caughtBy: ["I-5", "I-4", "I-15", "I-3", "I-7"],
    seed: 3,
  },
  {
    name: "of coalesced increments only the last counts",
    file: "src/client/core/collapse.ts",
    search: "(increments.get(operation.field) ?? 0) + operation.by",
    replace: "operation.by",
    caughtBy: ["I-3", "I-7"],
    seed: 1,
  },
  {
    name: "only the leader's own tab is told of what it reads",
    file: "src/client/membership.ts",
    search: 'this.#post({ type: "publication", publication, commit, term, versions: this.#versions });',
    replace: "void commit;",
    caughtBy: ["I-8", "I-19", "I-4", "I-7"],
    seed: 1,
  },
  {
    name: "a leave is not followed",
    file: "src/client/pages.ts",
    search: 'if (entry.type === "leave") {',
    replace: 'if (entry.type === "leave" && id === "") {',
    caughtBy: ["I-8", "I-12", "I-19"],
    seed: 25,
  },
  {
    name: "who has lost a scope keeps its documents",
    file: "src/client/stream/scopeReader.ts",
    search: "await this.#options.forget();",
    replace: "",
    caughtBy: ["I-8", "I-12", "I-2"],
    seed: 5,
  },
  {
    name: "what no restored backup knows of is dropped at a new epoch",
    file: "src/client/epochs.ts",
    search: ': decideAnswer(source, { ids, status: "gap" });',
    replace:
      ": { commit: { removedGroups: [group.sequence], removedOutbox: entries.map((entry) => entry.sequence) }, publication: emptyPublication };",
    caughtBy: ["I-4", "I-7", "I-19"],
    seed: 4,
  },
  {
    name: "a new epoch is shown once one scope is read",
    file: "src/client/scopeReaders.ts",
    search: "return readings.every(\n      ({ reader, target }) =>",
    replace: "return readings.some(\n      ({ reader, target }) =>",
    caughtBy: ["I-7", "I-8", "I-2"],
    seed: 5,
  },
  {
    name: "what has left a scope unseen is kept",
    file: "src/client/pages.ts",
    search: "return isDone ? { position, unmet } :",
    replace: "return isDone ? { position, unmet: [] } :",
    caughtBy: ["I-8", "I-12", "I-19"],
    seed: 24,
  },
  {
    name: "the server forgets what it has answered",
    file: "src/server/push.ts",
    search: "const answered = new Map(receipts.map((receipt) => [receipt.transaction, receipt]));",
    replace:
      "const answered = new Map(receipts.slice(0, 0).map((receipt) => [receipt.transaction, receipt]));",
    caughtBy: ["I-3", "I-4", "I-15", "I-19"],
    seed: 9,
  },
  {
    name: "a compaction folds all but the newest change",
    file: "src/component/compact.ts",
    search: "const blobs = state.blobs.map((blob) => new Uint8Array(blob));",
    replace:
      "const blobs = state.blobs.slice(0, Math.max(1, state.blobs.length - 1)).map((blob) => new Uint8Array(blob));",
    caughtBy: ["I-10", "I-9"],
    seed: 1,
  },
  {
    name: "a scope is read without permission",
    file: "src/server/mayRead.ts",
    search: "return (await read(ctx, { user: await registry.user(ctx), scope })) === true;",
    replace: "return read !== undefined;",
    caughtBy: ["I-12"],
    seed: 5,
  },
  {
    name: "a push writes no rows of the app's",
    file: "src/server/push.ts",
    search: 'if (change.type !== "part" && collection.table !== undefined)',
    replace: 'if (change.type !== "part" && change.type !== "update" && collection.table !== undefined)',
    caughtBy: ["I-9"],
    seed: 1,
  },
  {
    name: "a migration need not have seen all that it hides",
    file: "src/server/checkVersion.ts",
    search: 'if (raised.some((each) => each.clocks !== clocks)) return { type: "gap" };',
    replace: "",
    caughtBy: ["I-4"],
    seed: 1,
  },
  {
    name: "what an older app has left is not translated",
    file: "src/client/documents/translate.ts",
    search: "return definition !== undefined && schemaVersion < definition.schemaVersion;",
    replace: "return definition !== undefined && schemaVersion < 0;",
    caughtBy: ["I-8", "I-4"],
    seed: 4,
  },
  {
    name: "what waits for a newer server fails",
    file: "src/client/outbox/answers.ts",
    search: 'return outcome.status === "rejected" && outcome.code === "schema_too_new";',
    replace:
      'return outcome.status === "rejected" && outcome.code === "schema_too_new" && outcome.ids.length === 0;',
    caughtBy: ["I-15", "I-4", "I-7"],
    seed: 23,
  },
  {
    name: "a push depends on every change of what it reads",
    file: "src/server/states.ts",
    search: "component.states.load, args, { useStaleSnapshot: true });",
    replace: "component.states.load, args);",
    caughtBy: ["I-13"],
    seed: 1,
    engine: "local",
  },
  {
    name: "only the first page of a catch-up is stored",
    file: "src/client/stream/scopeReader.ts",
    search: "entries: [...collected.entries, ...next.entries]",
    replace: "entries: [...collected.entries, ...next.entries.slice(0, 0)]",
    caughtBy: ["I-2", "I-8"],
    seed: 1,
  },
];
