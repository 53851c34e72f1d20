import { afterEach, describe, expect, test, vi } from "vitest";
import { DataDirectory, type StoredCommit } from "./dataDirectory.js";
import { numbered } from "./history.js";
import { big, newest, openEmpty, stepsOf } from "./simulatedDirectory.js";
import { SimulatedDisk } from "./simulatedDisk.js";

afterEach(() => vi.useRealTimers());

describe("what was appended", () => {
  test("while a write runs goes out in the next one, in order", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "always" });
    const steps = stepsOf(disk);
    let isFirst = true;
    disk.onStep = (step) => {
      steps.push(step);
      if (isFirst) for (const n of [3, 4, 5]) data.append(numbered(n));
      isFirst = false;
    };
    data.append(numbered(1));
    data.append(numbered(2));
    await data.flushed();
    while (steps.length < 4) await data.flushed();
    expect(steps).toEqual(["write log-0", "sync log-0", "write log-0", "sync log-0"]);
    await data.close();
    expect(await newest(disk)).toBe(5);
  });

  test("is written if nobody asks, and once the loop has ended", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "never" });
    for (let n = 1; n <= 3; n += 1) {
      data.append(numbered(n));
      await data.flushed();
    }
    data.append(numbered(4));
    await vi.waitFor(async () => expect(await newest(disk.afterKill())).toBe(4));
    await data.close();
  });

  test("is written as it was then, whatever becomes of the objects", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    const after = { n: 1 };
    data.append({ ts: 1n, tables: [], writes: [{ table: "counter", id: "c", after }] });
    after.n = 2;
    await data.close();
    expect(await newest(disk)).toBe(1);
  });

  test("in large commits is written in batches, none of which recovery has to hold with another", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "never" });
    const steps = stepsOf(disk);
    for (let n = 1; n <= 6; n += 1) data.append(big(n, 1_500_000));
    await data.flushed();
    expect(steps).toEqual(["write log-0", "write log-0", "write log-0"]);
    await data.close();
    expect(await newest(disk)).toBe(6);
  });
});

describe("flushed", () => {
  test("waits for what was appended before it, and for no more", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "never" });
    const order: string[] = [];
    const appendAndFlush = (n: number) => {
      data.append(numbered(n));
      void data.flushed().then(() => order.push(`flushed ${n}`));
    };
    disk.onStep = (step) => {
      if (order.push(step) === 1) [2, 3].forEach(appendAndFlush);
    };
    appendAndFlush(1);
    await data.flushed();
    await data.flushed();
    expect(order).toEqual(["write log-0", "flushed 1", "write log-0", "flushed 2", "flushed 3"]);
    await data.close();
  });

  test("under `always` comes after the sync", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "always" });
    data.append(numbered(1));
    await data.flushed();
    expect(await newest(disk.afterPowerLoss(() => 0.29))).toBe(1);
    await data.close();
  });

  test("under `interval` comes after the write; one sync follows within the interval, for all since", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "interval", syncIntervalMs: 50 });
    const steps = stepsOf(disk);
    const write = async (n: number) => {
      data.append(numbered(n));
      await data.flushed();
    };
    await write(1);
    await write(2);
    await vi.advanceTimersByTimeAsync(49);
    expect(steps).toEqual(["write log-0", "write log-0"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(steps.slice(2)).toEqual(["sync log-0"]);
    await vi.advanceTimersByTimeAsync(500);
    expect(steps.length).toBe(3);
    await write(3);
    await vi.advanceTimersByTimeAsync(50);
    expect(steps.slice(3)).toEqual(["write log-0", "sync log-0"]);
    await data.close();
  });

  test("under `interval` leaves nothing unsynced at the end", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "interval" });
    const steps = stepsOf(disk);
    data.append(numbered(1));
    await data.close();
    expect(steps.slice(0, 2)).toEqual(["write log-0", "sync log-0"]);
  });

  test("under `never` syncs nothing, not even at the end", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "never" });
    const steps = stepsOf(disk);
    data.append(numbered(1));
    await data.close();
    expect(steps.filter((step) => step.startsWith("sync"))).toEqual([]);
  });

  test("resolves if nothing was appended", async () => {
    const data = await openEmpty(new SimulatedDisk());
    await data.flushed();
    await data.close();
  });
});

describe("is refused:", () => {
  test("use before recovery, a second recovery, use after the end", async () => {
    const data = await DataDirectory.open("/data", { disk: new SimulatedDisk() });
    expect(() => data.append(numbered(1))).toThrow("call recover first");
    await expect(data.compact(1n, [])).rejects.toThrow("call recover first");
    await data.recover(() => {});
    await expect(data.recover(() => {})).rejects.toThrow("recovered once");
    await Promise.all([data.close(), data.close()]);
    expect(() => data.append(numbered(1))).toThrow("closed");
    await expect(data.compact(1n, [])).rejects.toThrow("closed");
  });

  test("a commit or a snapshot that is older than what is there", async () => {
    const data = await openEmpty(new SimulatedDisk());
    data.append(numbered(5));
    expect(() => data.append(numbered(4))).toThrow("older");
    await expect(data.compact(4n, [])).rejects.toThrow("older");
    await data.compact(8n, [numbered(5)]);
    expect(() => data.append(numbered(7))).toThrow("older");
    data.append(numbered(8));
    await data.close();
  });

  test("a second compaction while one runs", async () => {
    const data = await openEmpty(new SimulatedDisk());
    const first = data.compact(1n, [numbered(1)]);
    await expect(data.compact(1n, [])).rejects.toThrow("already");
    await first;
    await data.close();
  });

  test("a document that cannot be stored, and nothing of it is queued", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    const after = { f: () => {} } as unknown as StoredCommit["writes"][number]["after"];
    expect(() => data.append(numbered(1, [{ table: "t", id: "a", after }]))).toThrow();
    data.append(numbered(1));
    await data.close();
    expect(await newest(disk)).toBe(1);
  });
});

test("an error of `apply` ends the recovery, and the folder can be closed", async () => {
  const disk = new SimulatedDisk();
  const data = await openEmpty(disk);
  data.append(numbered(1));
  await data.close();
  const again = await DataDirectory.open("/data", { disk });
  await expect(
    again.recover(() => {
      throw new Error("not applied");
    }),
  ).rejects.toThrow("not applied");
  expect(() => again.append(numbered(2))).toThrow("not recovered");
  await again.close();
  expect(await newest(disk)).toBe(1);
});
