import { afterEach, describe, expect, test, vi } from "vitest";
import { numbered } from "./history.js";
import { big, newest, openEmpty } from "./simulatedDirectory.js";
import { SimulatedDisk } from "./simulatedDisk.js";

afterEach(() => vi.useRealTimers());

/** Lets the steps of this name wait for `release`. */
function hold(disk: SimulatedDisk, held: string): { steps: string[]; release: () => void } {
  let release = () => {};
  const promise = new Promise<void>((resolve) => (release = resolve));
  const steps: string[] = [];
  disk.onStep = (step) => {
    steps.push(step);
    return step === held ? promise : undefined;
  };
  return { steps, release };
}

describe("a disk that refuses", () => {
  const failing = (what: string) => (step: string) => {
    if (step === what) throw Object.assign(new Error(`EIO: ${what}`), { code: "EIO" });
  };

  test("because it is full ends the writing for good; what was there before is there", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    data.append(numbered(1));
    await data.flushed();
    disk.capacityBytes = 2_000;
    data.append(big(2, 4_000));
    await expect(data.flushed()).rejects.toMatchObject({ code: "writeFailed", message: /ENOSPC/ });
    disk.capacityBytes = Infinity;
    await expect(data.flushed()).rejects.toMatchObject({ code: "writeFailed" });
    expect(() => data.append(numbered(3))).toThrow(/Nothing more is accepted/);
    await expect(data.compact(3n, [])).rejects.toMatchObject({ code: "writeFailed" });
    expect(data.shouldCompact).toBe(false);
    await expect(data.close()).rejects.toMatchObject({ code: "writeFailed" });
    expect(await newest(disk)).toBe(1);
  });

  test("a sync under `always` fails those who wait", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "always" });
    disk.onStep = failing("sync log-0");
    data.append(numbered(1));
    const waiting = [data.flushed(), data.flushed()];
    for (const each of waiting) await expect(each).rejects.toMatchObject({ code: "writeFailed" });
    await expect(data.close()).rejects.toMatchObject({ code: "writeFailed" });
  });

  test("a sync in the background fails what follows", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "interval" });
    disk.onStep = failing("sync log-0");
    data.append(numbered(1));
    await data.flushed();
    await vi.advanceTimersByTimeAsync(100);
    await expect(data.flushed()).rejects.toMatchObject({ code: "writeFailed" });
    expect(() => data.append(numbered(2))).toThrow();
    await expect(data.close()).rejects.toMatchObject({ code: "writeFailed" });
  });

  test("a sync while a write runs lets nothing be written behind that", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { fsync: "interval" });
    data.append(numbered(1));
    await data.flushed();
    const { steps, release } = hold(disk, "write log-0");
    const { onStep } = disk;
    disk.onStep = (step) => {
      failing("sync log-0")(step);
      return onStep(step);
    };
    data.append(numbered(2));
    await vi.advanceTimersByTimeAsync(0);
    data.append(numbered(3));
    const waiting = expect(data.flushed()).rejects.toMatchObject({ code: "writeFailed" });
    await vi.advanceTimersByTimeAsync(100);
    await waiting;
    release();
    await expect(data.close()).rejects.toMatchObject({ code: "writeFailed" });
    expect(steps.filter((step) => step.startsWith("write"))).toEqual(["write log-0"]);
  });

  test.each(["create log-1.tmp", "write log-1.tmp", "sync log-1.tmp"])(
    "a compaction at `%s` leaves the log in use",
    async (step) => {
      const disk = new SimulatedDisk();
      const data = await openEmpty(disk);
      data.append(numbered(1));
      disk.onStep = failing(step);
      await expect(data.compact(1n, [numbered(1)])).rejects.toThrow(step);
      data.append(numbered(2));
      await data.flushed();
      disk.onStep = () => {};
      expect(disk.files.filter((name) => !name.startsWith("lock."))).toEqual(["log-0"]);
      await data.compact(2n, [numbered(2)]);
      await data.close();
      expect(await newest(disk)).toBe(2);
    },
  );

  test.each(["rename log-1.tmp", "sync the folder"])(
    "a compaction at `%s` ends the writing, as it is not known which log is there",
    async (step) => {
      const disk = new SimulatedDisk();
      const data = await openEmpty(disk);
      data.append(numbered(1));
      disk.onStep = failing(step);
      await expect(data.compact(1n, [numbered(1)])).rejects.toMatchObject({ code: "writeFailed" });
      expect(() => data.append(numbered(2))).toThrow();
      await expect(data.close()).rejects.toMatchObject({ code: "writeFailed" });
      expect(await newest(disk)).toBe(1);
    },
  );

  test.each(["create", "write", "sync", "rename"])(
    "a compaction's `%s` of the snapshot loses nothing",
    async (verb) => {
      const disk = new SimulatedDisk();
      const data = await openEmpty(disk, { compactAboveBytes: 10 });
      data.append(numbered(1));
      await data.flushed();
      expect(data.shouldCompact).toBe(true);
      disk.onStep = failing(`${verb} snapshot-1.tmp`);
      await expect(data.compact(1n, [numbered(1)])).rejects.toThrow("EIO");
      expect(data.shouldCompact).toBe(false);
      data.append(numbered(2));
      await data.flushed();
      expect(data.shouldCompact).toBe(true);
      await data.compact(2n, [numbered(2)]);
      expect(disk.files.filter((name) => !name.startsWith("lock.")).sort()).toEqual(["log-2", "snapshot-2"]);
      await data.close();
      expect(await newest(disk)).toBe(2);
    },
  );
});
