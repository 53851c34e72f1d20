import { describe, expect, test } from "vitest";
import { ReplicaError } from "../base/errors.js";
import type { OutboxEntry, StoredTransaction } from "../ports/storage.js";
import { MemoryDatabase, MemoryStorage } from "../store/memoryStorage.js";
import { Appender, type Appendable } from "./appender.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const database = new MemoryDatabase();
  const storage = new MemoryStorage(database);
  /** The ids of each call. */
  const calls: string[][] = [];
  const append = storage.append.bind(storage);
  storage.append = (transactions) => {
    calls.push(transactions.map(({ id }) => id));
    return append(transactions);
  };
  let finishOpening!: () => void;
  let failOpening!: (error: Error) => void;
  const opened = new Promise<void>((resolve, reject) => {
    finishOpening = resolve;
    failOpening = reject;
  });
  /** What happened, in order. */
  const log: string[] = [];
  const appended: OutboxEntry[][] = [];
  const failures: ReplicaError[] = [];
  const appender = new Appender(
    storage,
    opened,
    (entries) => {
      appended.push([...entries]);
      log.push(`appended ${entries.map(({ transaction }) => transaction.id).join()}`);
    },
    (error, transactions) => {
      failures.push(error);
      log.push(`failed ${transactions.map(({ stored }) => stored.id).join()}`);
    },
  );
  const write = (id: string): Appendable => {
    const stored: StoredTransaction = { id, createdAt: 1, metadata: {}, isGroup: false, changes: [] };
    const transaction = {
      stored,
      becomeDurable: (sequence: number) => void log.push(`${id} durable ${sequence}`),
      failToStore: ({ code }: ReplicaError) => void log.push(`${id} ${code}`),
    };
    appender.append(transaction);
    return transaction;
  };
  return {
    database,
    storage,
    appender,
    calls,
    log,
    appended,
    failures,
    write,
    failOpening: (error: Error) => failOpening(error),
    async open() {
      await storage.open({ client: "c", author: 1 });
      finishOpening();
      await turn();
    },
    stored: () => [...(database.data?.contents.outbox.values() ?? [])].map((entry) => entry.transaction.id),
  };
}

describe("an open storage", () => {
  test("I-1: is handed a write in the tick in which it is made", async () => {
    const { open, write, calls } = setUp();
    await open();
    write("a");
    await Promise.resolve(); // the end of the tick, before anything else has its turn
    expect(calls).toEqual([["a"]]);
  });

  test("is called once for all writes of a tick, in their order, and once more for the next tick", async () => {
    const { open, write, calls, stored } = setUp();
    await open();
    for (const id of ["a", "b", "c"]) write(id);
    expect(calls).toEqual([]);
    await Promise.resolve();
    for (const id of ["d", "e"]) write(id);
    await turn();
    expect(calls).toEqual([
      ["a", "b", "c"],
      ["d", "e"],
    ]);
    expect(stored()).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("each write becomes durable with its place, then all of the call are told of", async () => {
    const { open, write, appended, log } = setUp();
    await open();
    const transactions = ["a", "b"].map(write);
    await turn();
    expect(log).toEqual(["a durable 1", "b durable 2", "appended a,b"]);
    expect(appended).toEqual([
      transactions.map(({ stored }, index) => ({ sequence: index + 1, transaction: stored })),
    ]);
  });

  test("a later tick's write is handed over while an earlier one is not stored yet", async () => {
    const { open, storage, write, calls, log } = setUp();
    await open();
    const { append } = storage;
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    storage.append = async (transactions) => {
      const sequences = append.call(storage, transactions);
      await held;
      return sequences;
    };
    write("a");
    await turn();
    write("b");
    await turn();
    expect([calls, log]).toEqual([[["a"], ["b"]], []]);
    release();
    await turn();
    expect(log).toEqual(["a durable 1", "appended a", "b durable 2", "appended b"]);
  });
});

describe("a storage that is not open yet", () => {
  test("is not called; once it is open the ticks are stored in order, before later ones", async () => {
    const { open, write, calls, log, stored } = setUp();
    write("a");
    write("b");
    await turn();
    write("c");
    await turn();
    expect([calls, log]).toEqual([[], []]);
    await open();
    write("d");
    await turn();
    expect(calls).toEqual([["a", "b"], ["c"], ["d"]]);
    expect(stored()).toEqual(["a", "b", "c", "d"]);
  });

  test("and cannot be opened fails every write with the reason, earlier and later ones", async () => {
    const { failOpening, write, calls, log } = setUp();
    write("a");
    await turn();
    failOpening(new ReplicaError("storage_unavailable", "No IndexedDB here."));
    await turn();
    write("b");
    await turn();
    expect(calls).toEqual([]);
    expect(log).toEqual(["a storage_unavailable", "failed a", "b storage_unavailable", "failed b"]);
  });

  test("and cannot be opened is no unhandled rejection while nothing is written", async () => {
    const { failOpening, log, appender } = setUp();
    failOpening(new ReplicaError("storage_corrupt", "The local database is damaged."));
    await turn();
    await appender.idle();
    expect(log).toEqual([]);
  });
});

describe("a refused append", () => {
  test("fails every write of its tick, and none of the next", async () => {
    const { open, database, write, log, failures, stored } = setUp();
    await open();
    database.failNextAppend = true;
    write("a");
    write("b");
    await turn();
    write("c");
    await turn();
    expect(log).toEqual(["a storage_full", "b storage_full", "failed a,b", "c durable 1", "appended c"]);
    expect(failures.map(({ code }) => code)).toEqual(["storage_full"]);
    expect(stored()).toEqual(["c"]);
  });

  test.each<[string, unknown, string]>([
    ["a coded error as it is", new ReplicaError("closed", "The local database is closed."), "closed"],
    ["an error without a code as storage_unavailable", new Error("disk"), "storage_unavailable"],
    ["something that is no error as storage_unavailable", "disk", "storage_unavailable"],
  ])("tells %s", async (_name, cause, code) => {
    const { open, storage, write, failures } = setUp();
    await open();
    storage.append = () => Promise.reject(cause as Error);
    write("a");
    await turn();
    const [error] = failures;
    expect(error).toBeInstanceOf(ReplicaError);
    expect(error?.code).toBe(code);
    expect(error === cause || error?.cause === cause).toBe(true);
  });
});

describe("idle", () => {
  test("resolves at once if nothing was written, even before the storage is open", async () => {
    const { appender, calls } = setUp();
    await appender.idle();
    expect(calls).toEqual([]);
  });

  test("hands over the tick's writes and resolves once they are told of", async () => {
    const { appender, open, write, calls, log } = setUp();
    await open();
    write("a");
    write("b");
    const idle = appender.idle();
    expect(calls).toEqual([["a", "b"]]);
    await idle;
    expect(log).toEqual(["a durable 1", "b durable 2", "appended a,b"]);
    await turn();
    expect(calls).toHaveLength(1);
  });

  test("waits for the storage to be opened, and for every tick before", async () => {
    const { appender, open, write, log } = setUp();
    write("a");
    await turn();
    write("b");
    let isIdle = false;
    const idle = appender.idle().then(() => (isIdle = true));
    await turn();
    expect(isIdle).toBe(false);
    await open();
    await idle;
    expect(log).toEqual(["a durable 1", "appended a", "b durable 2", "appended b"]);
  });

  test("resolves after a refusal too", async () => {
    const { appender, open, database, write, log } = setUp();
    await open();
    database.failNextAppend = true;
    write("a");
    await appender.idle();
    expect(log).toEqual(["a storage_full", "failed a"]);
  });
});
