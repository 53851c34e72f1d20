import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { NodeDisk, type Disk, type DiskFile } from "./disk.js";
import { SimulatedDisk } from "./simulatedDisk.js";

const made = await mkdtemp(path.join(tmpdir(), "disk-"));
afterAll(() => rm(made, { recursive: true }));

const disks: [string, Disk][] = [
  ["NodeDisk", new NodeDisk()],
  ["SimulatedDisk", new SimulatedDisk()],
];

async function textOf(file: DiskFile): Promise<string> {
  const bytes = Buffer.alloc(await file.size());
  expect(await file.read(bytes, 0)).toBe(bytes.length);
  return bytes.toString();
}

describe.each(disks)("%s", (name, disk) => {
  const folder = path.join(made, name, "below");
  const at = (file: string) => path.join(folder, file);

  test("keeps what is written where it is written, and reads as much as there is", async () => {
    await disk.makeFolder(folder);
    await disk.makeFolder(folder);
    const file = await disk.replace(at("a"));
    await file.write(Buffer.from("hello"), 0);
    await file.write(Buffer.from("p me"), 3);
    await file.sync();
    const target = Buffer.alloc(10);
    expect([await file.size(), await file.read(target, 2)]).toEqual([7, 5]);
    expect(target.toString("utf8", 0, 5)).toBe("lp me");
    await file.truncate(4);
    await file.close();
    expect(await textOf(await disk.open(at("a")))).toBe("help");
  });

  test("renames over what is there, and what was opened before stays readable", async () => {
    const [b, c] = [await disk.replace(at("b")), await disk.replace(at("c"))];
    await b.write(Buffer.from("new"), 0);
    await c.write(Buffer.from("old"), 0);
    await disk.rename(at("b"), at("c"));
    await disk.syncFolder(folder);
    expect(await textOf(await disk.open(at("c")))).toBe("new");
    expect([await textOf(b), await textOf(c)]).toEqual(["new", "old"]);
    expect((await disk.list(folder)).sort()).toEqual(["a", "c"]);
    await b.close();
    await c.close();
  });

  test("refuses to open what is not there, and to create what is", async () => {
    await expect(disk.open(at("none"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(disk.create(at("a"))).rejects.toMatchObject({ code: "EEXIST" });
    const made = await disk.create(at("d"));
    await made.write(Buffer.from("x"), 0);
    await made.close();
    expect(await (await disk.replace(at("d"))).size()).toBe(0);
  });

  test("removes, also what is not there", async () => {
    await disk.remove(at("d"));
    await disk.remove(at("d"));
    expect((await disk.list(folder)).sort()).toEqual(["a", "c"]);
  });
});
