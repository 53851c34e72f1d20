import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { DataDirectory } from "./dataDirectory.js";
import { newestIn, noteCommit, recoverState, stateAfter } from "./history.js";
import { randomFrom } from "./simulatedDisk.js";

const script = fileURLToPath(new URL("appendingProcess.ts", import.meta.url));

/** Lets a process append to the folder until so many acknowledgements, kills it, and returns the last that it gave. */
async function appendUntilKilled(folder: string, fsync: string, acknowledgements: number): Promise<number> {
  const child = spawn(process.execPath, ["--import", "tsx", script, folder, fsync], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  let acked = 0;
  let count = 0;
  for await (const line of createInterface(child.stdout)) {
    acked = Number(line);
    count += 1;
    if (count === acknowledgements) child.kill("SIGKILL");
  }
  const [, signal] = (await ended) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");
  return acked;
}

test.each(["always", "never"])(
  "under `%s`, whatever a killed process had acknowledged is there",
  async (fsync) => {
    const folder = await mkdtemp(path.join(tmpdir(), "killed-"));
    const random = randomFrom(1);
    const newest: number[] = [0];
    for (let round = 0; round < 5; round += 1) {
      const acked = await appendUntilKilled(folder, fsync, 1 + Math.floor(random() * 400));
      const data = await DataDirectory.open(folder);
      const { state } = await recoverState(data);
      await data.close();
      newest.push(newestIn(state));
      expect(newest.at(-1)).toBeGreaterThanOrEqual(acked);
      expect(acked).toBeGreaterThan(newest.at(-2) ?? 0);
      const all = Array.from({ length: newestIn(state) }, (_, at) => noteCommit(at + 1));
      expect(state).toStrictEqual(stateAfter(all));
    }
    expect((await readdir(folder)).some((name) => name.startsWith("snapshot-"))).toBe(true);
    await rm(folder, { recursive: true });
  },
);

test("100,000 documents are recovered from a log, and from a snapshot", async ({ annotate }) => {
  const folder = await mkdtemp(path.join(tmpdir(), "many-"));
  const many = Array.from({ length: 1000 }, (_, n) => ({
    ts: BigInt(n + 1),
    tables: [],
    writes: Array.from({ length: 100 }, (_, at) => {
      const id = `${n}-${at}`;
      return {
        table: "notes",
        id,
        after: { _id: id, _creationTime: n, text: `note ${id}`, isDone: at % 2 === 0 },
      };
    }),
  }));
  const data = await DataDirectory.open(folder, { fsync: "never" });
  await data.recover(() => {});
  for (const each of many) data.append(each);
  await data.flushed();
  await data.close();
  const recover = async (what: string) => {
    const start = performance.now();
    const again = await DataDirectory.open(folder);
    const { documents, logBytes } = await again.recover(() => {});
    expect(documents).toBe(100_000);
    await annotate(`${what}: ${Math.round(performance.now() - start)} ms, log of ${logBytes} bytes`);
    return again;
  };
  const again = await recover("log");
  await again.compact(1000n, many);
  await again.close();
  await (await recover("snapshot")).close();
  await rm(folder, { recursive: true });
});
