// For tests: data directories on a disk in memory.
import { DataDirectory, type DataDirectoryOptions, type StoredCommit } from "./dataDirectory.js";
import { newestIn, numbered, recoverState } from "./history.js";
import type { SimulatedDisk } from "./simulatedDisk.js";

/** Opens what is empty, or skips what is there. */
export async function openEmpty(
  disk: SimulatedDisk,
  options: DataDirectoryOptions = {},
): Promise<DataDirectory> {
  const data = await DataDirectory.open("/data", { ...options, disk });
  await data.recover(() => {});
  return data;
}

/** The number of the newest commit that is recovered from a disk. */
export async function newest(disk: SimulatedDisk): Promise<number> {
  const data = await DataDirectory.open("/data", { disk });
  const { state } = await recoverState(data);
  await data.close();
  return newestIn(state);
}

/** Is filled with what the disk does from now on. */
export function stepsOf(disk: SimulatedDisk): string[] {
  const steps: string[] = [];
  disk.onStep = (step) => steps.push(step);
  return steps;
}

export const big = (n: number, bytes: number): StoredCommit =>
  numbered(n, [{ table: "files", id: `${n}`, after: { data: new ArrayBuffer(bytes) } }]);
