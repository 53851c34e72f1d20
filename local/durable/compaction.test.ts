import { describe, expect, test } from "vitest";
import { DataDirectory, type StoredCommit } from "./dataDirectory.js";
import { commitsOfState, numbered, stateAfter } from "./history.js";
import { big, newest, openEmpty, stepsOf } from "./simulatedDirectory.js";
import { randomFrom, SimulatedDisk } from "./simulatedDisk.js";

describe("a compaction", () => {
  const state = (count: number) => [
    ...commitsOfState(stateAfter(Array.from({ length: count }, (_, at) => big(at + 1, 10)))),
  ];

  test("takes what was appended before it, and leaves what comes while it runs", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    for (let n = 1; n <= 5; n += 1) data.append(numbered(n));
    const compaction = data.compact(5n, [numbered(5)]);
    data.append(numbered(6));
    await data.flushed();
    await compaction;
    data.append(numbered(7));
    await data.close();
    const again = await DataDirectory.open("/data", { disk });
    const seen: bigint[] = [];
    const recovered = await again.recover(({ ts }) => seen.push(ts));
    expect([seen, recovered.lastTs]).toEqual([[5n, 6n, 7n], 7n]);
    await again.close();
  });

  test("hands its state back in commits of at most 1,000 writes and about 1 MiB, at its timestamp", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    const writes = Array.from({ length: 2500 }, (_, at) => ({ table: "t", id: `${at}`, after: { n: at } }));
    const large = Array.from({ length: 4 }, (_, n) => big(n, 600_000).writes[1]!);
    await data.compact(9n, [
      { ts: 3n, tables: [{ component: "", name: "t", number: 1 }], writes: [...writes, ...large] },
    ]);
    await data.close();
    const again = await DataDirectory.open("/data", { disk });
    const seen: StoredCommit[] = [];
    const { documents } = await again.recover((commit) => seen.push(commit));
    expect(documents).toBe(2504);
    expect(seen.map((commit) => commit.writes.length)).toEqual([1000, 1000, 502, 2]);
    expect(seen.every(({ ts }) => ts === 9n)).toBe(true);
    expect(seen.flatMap((commit) => commit.writes)).toEqual([...writes, ...large]);
    expect(seen[0]?.tables).toEqual([{ component: "", name: "t", number: 1 }]);
    await again.close();
  });

  test("that failed is tried again once as much as is worth it has come, and counts all logs", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk, { compactAboveBytes: 3_000 });
    await data.compact(0n, [big(0, 6_000)]);
    disk.onStep = (step) => {
      if (step === "create snapshot-2.tmp") throw new Error("no snapshot");
    };
    const isWorth = async (n: number, bytes: number) => {
      data.append(big(n, bytes));
      await data.flushed();
      return data.shouldCompact;
    };
    expect([await isWorth(1, 5_500), await isWorth(2, 1_000)]).toEqual([false, true]);
    await expect(data.compact(2n, [])).rejects.toThrow("no snapshot");
    expect([await isWorth(3, 2_500), await isWorth(4, 500)]).toEqual([false, true]);
    await data.close();
  });

  test("lets the event loop turn, and appends be written, between two pieces", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    const steps = stepsOf(disk);
    let turns = 0;
    const turn = () => {
      turns += 1;
      timer = setImmediate(turn);
    };
    let timer = setImmediate(turn);
    const turnAt: number[] = [];
    function* pieces(): Generator<StoredCommit> {
      for (let at = 0; at < 5000; at += 1) {
        if (at === 1500) data.append(numbered(10));
        if (at % 1000 === 0) turnAt.push(turns);
        yield { ts: 0n, tables: [], writes: [{ table: "t", id: `${at}`, after: {} }] };
      }
    }
    await data.compact(9n, pieces());
    clearImmediate(timer);
    expect(new Set(turnAt).size).toBe(5);
    expect(steps.indexOf("write log-1")).toBeLessThan(steps.lastIndexOf("write snapshot-1.tmp"));
    await data.close();
  });

  test("that fails leaves a log that is synced, as the next one continues it, whatever the policy", async () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const disk = new SimulatedDisk();
      const data = await openEmpty(disk, { fsync: "never" });
      for (let n = 1; n <= 5; n += 1) data.append(numbered(n));
      disk.onStep = (step) => {
        if (step === "create snapshot-1.tmp") throw new Error("no snapshot");
      };
      await expect(data.compact(5n, [])).rejects.toThrow("no snapshot");
      expect(await newest(disk.afterPowerLoss(randomFrom(seed)))).toBe(5);
      await data.close();
    }
  });

  test("of a later timestamp than any commit counts as the newest, also if it fails", async () => {
    for (const isFailing of [false, true]) {
      const disk = new SimulatedDisk();
      const data = await openEmpty(disk);
      disk.onStep = (step) => {
        if (isFailing && step === "create snapshot-1.tmp") throw new Error("no snapshot");
      };
      await data.compact(8n, []).catch(() => {});
      await data.close();
      const again = await DataDirectory.open("/data", { disk });
      expect((await again.recover(() => {})).lastTs).toBe(8n);
      expect(() => again.append(numbered(7))).toThrow("older");
      await again.close();
    }
  });

  test("is worth it beyond a size, and beyond the snapshot's own", async () => {
    const disk = new SimulatedDisk();
    let data = await openEmpty(disk, { compactAboveBytes: 3_000 });
    const isWorth = async (n: number, bytes: number) => {
      data.append(big(n, bytes));
      await data.flushed();
      return data.shouldCompact;
    };
    expect(await isWorth(1, 2_000)).toBe(false);
    expect(await isWorth(2, 2_000)).toBe(true);
    const compaction = data.compact(2n, [big(1, 2_000), big(2, 4_000)]);
    expect(data.shouldCompact).toBe(false);
    await compaction;
    await data.close();
    data = await openEmpty(disk, { compactAboveBytes: 3_000 });
    expect(await isWorth(3, 4_000)).toBe(false);
    expect(await isWorth(4, 4_000)).toBe(true);
    await data.close();
  });

  test("is given up when the folder is closed, without loss", async () => {
    const disk = new SimulatedDisk();
    const data = await openEmpty(disk);
    data.append(numbered(1));
    const compaction = data.compact(1n, state(3000));
    const given = expect(compaction).rejects.toMatchObject({ code: "misuse" });
    const steps = stepsOf(disk);
    await data.close();
    expect(steps.at(-1)).toMatch(/^remove lock/);
    const count = steps.length;
    await given;
    expect(steps.length).toBe(count);
    expect(disk.files).toEqual(["log-0", "log-1"]);
    expect(await newest(disk)).toBe(1);
  });
});
