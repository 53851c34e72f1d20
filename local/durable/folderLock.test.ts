import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DataDirectory } from "./dataDirectory.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "data-directory-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const locks = async () => (await readdir(folder)).filter((name) => name.startsWith("lock."));

test("a folder that is open is refused, and free again once it is closed", async () => {
  const first = await DataDirectory.open(folder);
  const refused = {
    code: "locked",
    message: expect.stringContaining(`by the process ${process.pid}`) as string,
  };
  await expect(DataDirectory.open(folder)).rejects.toMatchObject(refused);
  expect((await locks()).length).toBe(1);
  await first.close();
  expect(await locks()).toEqual([]);
  await (await DataDirectory.open(folder)).close();
});

test("of openings at once, at most one gets it", async () => {
  const openings = await Promise.allSettled(Array.from({ length: 5 }, () => DataDirectory.open(folder)));
  const opened = openings.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  expect(opened.length).toBeLessThanOrEqual(1);
  for (const data of opened) await data.close();
  await (await DataDirectory.open(folder)).close();
});

test("the lock of a process that runs holds, that of one that has ended is taken over", async () => {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"]);
  await once(child, "spawn");
  const stale = `lock.${child.pid}.0.0badcafe`;
  await writeFile(path.join(folder, stale), "");
  await expect(DataDirectory.open(folder)).rejects.toMatchObject({ code: "locked" });
  child.kill("SIGKILL");
  await once(child, "exit");
  const data = await DataDirectory.open(folder);
  expect(await locks()).not.toContain(stale);
  await data.close();
});

test.runIf(process.platform === "linux")(
  "the lock of a process whose pid another has now is taken over",
  async () => {
    await writeFile(path.join(folder, `lock.${process.pid}.7.0badcafe`), "");
    await (await DataDirectory.open(folder)).close();
    expect(await locks()).toEqual([]);
  },
);

test("a folder that is refused for another reason is not held", async () => {
  await writeFile(path.join(folder, "log-0"), "x".repeat(100));
  await expect(DataDirectory.open(folder)).rejects.toMatchObject({ code: "corrupt" });
  expect(await locks()).toEqual([]);
});
