import { beforeEach, describe, expect, test } from "vitest";
import { DataDirectory } from "./dataDirectory.js";
import { DataDirectoryError } from "./dataDirectoryError.js";
import { encodeFileHeader, fileHeaderBytes, readFileHeader } from "./fileHeader.js";
import { encodeFrame, frameHeaderBytes, frameKinds } from "./frame.js";
import { commitsOfState, newestIn, numbered, recoverState, stateAfter } from "./history.js";
import { SimulatedDisk } from "./simulatedDisk.js";
import { encodeCommit, type StoredCommit } from "./storedCommit.js";

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
/** The last one is not in the files that the tests make. */
const commits = range(1, 14).map((n) =>
  numbered(n, [
    { table: "notes", id: `n${n % 4}`, after: n % 3 === 0 ? null : { text: "x".repeat(n), n: BigInt(n) } },
  ]),
);
const written = commits.slice(0, 12);
const open = (disk: SimulatedDisk) => DataDirectory.open("/data", { disk });

/** What recovery makes of it: the number of the newest commit, or why it refuses. */
async function outcome(disk: SimulatedDisk): Promise<number | string> {
  try {
    const data = await open(disk);
    const { state } = await recoverState(data);
    await data.close();
    expect(state).toStrictEqual(stateAfter(commits.slice(0, newestIn(state))));
    return newestIn(state);
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    return error.code;
  }
}

/** Some commits in one log, each flushed. `ends`: where each one's record ends. */
async function writtenLog(): Promise<{ disk: SimulatedDisk; log: Buffer; ends: number[] }> {
  const disk = new SimulatedDisk();
  const data = await open(disk);
  await data.recover(() => {});
  const ends: number[] = [];
  for (const commit of written) {
    data.append(commit);
    await data.flushed();
    ends.push(disk.content("log-0").length);
  }
  await data.close();
  return { disk, log: disk.content("log-0"), ends };
}

/** Commits 1 to 6 in a snapshot, the others in the log behind it. */
async function compacted(until = written.length): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const data = await open(disk);
  await data.recover(() => {});
  commits.slice(0, 6).forEach((commit) => data.append(commit));
  await data.compact(6n, commitsOfState(stateAfter(commits.slice(0, 6))));
  for (const commit of commits.slice(6, until)) {
    data.append(commit);
    await data.flushed();
  }
  await data.close();
  return disk;
}

function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const result = Buffer.from(bytes);
  result.writeUInt8(bytes.readUInt8(at) ^ mask, at);
  return result;
}

describe("a log that is cut", () => {
  test("at any byte gives exactly the commits whose records are whole, and goes on from there", async () => {
    const { disk, log, ends } = await writtenLog();
    for (const cut of range(0, log.length + 1)) {
      disk.put("log-0", log.subarray(0, cut));
      const data = await open(disk);
      const { state, tornBytes, logBytes } = await recoverState(data);
      const whole = ends.filter((end) => end <= cut).length;
      expect(newestIn(state)).toBe(whole);
      expect(state).toStrictEqual(stateAfter(commits.slice(0, whole)));
      const wholeBytes = ends[whole - 1] ?? fileHeaderBytes;
      expect([tornBytes, logBytes]).toEqual([cut < fileHeaderBytes ? cut : cut - wholeBytes, wholeBytes]);
      expect(disk.content("log-0").length).toBe(wholeBytes);
      data.append(commits[whole]!);
      await data.close();
      expect(await outcome(disk)).toBe(whole + 1);
    }
  });

  test("and filled with zeros or with another file's bytes is torn there too", async () => {
    const { disk, log, ends } = await writtenLog();
    const other = (await writtenLog()).log;
    const cut = (ends[4] ?? 0) + 7;
    for (const filling of [Buffer.alloc(log.length - cut), other.subarray(cut), log.subarray(cut + 1)]) {
      disk.put("log-0", Buffer.concat([log.subarray(0, cut), filling]));
      expect(await outcome(disk)).toBe(5);
    }
  });

  test("within a document that holds a copy of that log is torn, as the copy is no record of it", async () => {
    const { disk, log } = await writtenLog();
    const data = await open(disk);
    await data.recover(() => {});
    const copy = log.buffer.slice(log.byteOffset, log.byteOffset + log.length) as ArrayBuffer;
    data.append(numbered(13, [{ table: "files", id: "f", after: { copy } }]));
    await data.close();
    const full = disk.content("log-0");
    disk.put("log-0", full.subarray(0, full.length - 1));
    expect(await outcome(disk)).toBe(12);
  });
});

describe("a byte that is changed", () => {
  const masks = [0x01, 0x80, 0xff];

  test("in a log is refused, or in its last record drops that: never is anything else read", async () => {
    const { disk, log, ends } = await writtenLog();
    const lastRecord = ends.at(-2) ?? 0;
    for (const at of range(0, log.length))
      for (const mask of masks) {
        disk.put("log-0", flipped(log, at, mask));
        const found = await outcome(disk);
        if (at >= lastRecord) expect(found).toBe(written.length - 1);
        else expect(found).toBe(at >= 8 && at < 12 ? "format" : "corrupt");
        if (at < lastRecord) expect(disk.content("log-0").equals(flipped(log, at, mask))).toBe(true);
      }
  });

  test("before a last record that is torn is refused: not both are taken for one", async () => {
    const { disk, log, ends } = await writtenLog();
    const torn = log.subarray(0, (ends.at(-2) ?? 0) + frameHeaderBytes + 3);
    disk.put("log-0", flipped(torn, (ends.at(-2) ?? 0) - 1, 1));
    expect(await outcome(disk)).toBe("corrupt");
  });

  test("in a snapshot is refused, wherever it is", async () => {
    const disk = await compacted();
    const snapshot = disk.content("snapshot-1");
    for (const at of range(0, snapshot.length))
      for (const mask of masks) {
        disk.put("snapshot-1", flipped(snapshot, at, mask));
        expect(await outcome(disk)).toBe(at >= 8 && at < 12 ? "format" : "corrupt");
      }
    for (const cut of range(0, snapshot.length)) {
      disk.put("snapshot-1", snapshot.subarray(0, cut));
      expect(await outcome(disk)).toMatch(/corrupt|format/);
    }
    disk.put("snapshot-1", Buffer.concat([snapshot, Buffer.alloc(1)]));
    expect(await outcome(disk)).toBe("corrupt");
  });
});

describe("files that do not belong together are refused", () => {
  let disk: SimulatedDisk;
  /** A snapshot, the log behind it and the next, as a compaction that was cut short leaves them. */
  beforeEach(async () => {
    disk = await compacted(9);
    const data = await open(disk);
    await data.recover(() => {});
    await expect(
      data.compact(9n, {
        *[Symbol.iterator](): Generator<StoredCommit> {
          throw new Error("a fault of the state");
        },
      }),
    ).rejects.toThrow("a fault of the state");
    written.slice(9).forEach((commit) => data.append(commit));
    await data.close();
    expect([...disk.files].sort()).toEqual(["log-1", "log-2", "snapshot-1"]);
    expect(await outcome(disk)).toBe(12);
  });

  test.each(["log-1", "snapshot-1"])("without %s", async (name) => {
    disk.drop(name);
    expect(await outcome(disk)).toBe("corrupt");
  });

  test("with a log of another folder", async () => {
    disk.put("log-2", (await compacted()).content("log-1"));
    expect(await outcome(disk)).toBe("corrupt");
    disk.drop("log-2");
    disk.put("log-1", (await compacted()).content("log-1"));
    expect(await outcome(disk)).toBe("corrupt");
  });

  test("with a log before the last that ends early, be it with a whole record", async () => {
    const log = disk.content("log-1");
    for (const cut of range(0, log.length)) {
      disk.put("log-1", log.subarray(0, cut));
      expect(await outcome(disk)).toMatch(/corrupt|format/);
    }
  });

  test("with a log before the last that something was added to", async () => {
    disk.put("log-1", Buffer.concat([disk.content("log-1"), Buffer.alloc(1)]));
    expect(await outcome(disk)).toBe("corrupt");
  });

  test("with a snapshot under a later one's name, which would hide what is between them", async () => {
    disk.put("snapshot-2", disk.content("snapshot-1"));
    expect(await outcome(disk)).toBe("corrupt");
  });

  test("with a log under another's name", async () => {
    disk.put("log-3", disk.content("log-2"));
    expect(await outcome(disk)).toBe("corrupt");
  });
});

test("leftovers of compactions are removed, and what is not of this database is left alone", async () => {
  const disk = await compacted();
  for (const name of ["snapshot-2.tmp", "log-7.tmp", "log-0", "snapshot-0", "notes.txt", "log-x", "my-log-0"])
    disk.put(name, Buffer.from("?"));
  expect(await outcome(disk)).toBe(12);
  expect([...disk.files].sort()).toEqual(["log-1", "log-x", "my-log-0", "notes.txt", "snapshot-1"]);
});

test("another format version is refused by its number", async () => {
  const { disk, log } = await writtenLog();
  const later = Buffer.from(log);
  later.writeUInt32LE(2, 8);
  disk.put("log-0", later);
  await expect(open(disk)).rejects.toThrow(
    "/data/log-0 is of format version 2; this program reads version 1",
  );
});

describe("records whose checksums are right are refused", () => {
  async function withRecord(kind: number, payload: Buffer): Promise<SimulatedDisk> {
    const { disk, log } = await writtenLog();
    const file = await disk.open("log-0");
    const { salt } = await readFileHeader(file, "log-0", { kind: "log", generation: 0 });
    disk.put("log-0", Buffer.concat([log, encodeFrame(kind, [payload], salt, log.length)]));
    return disk;
  }

  test("if they are of an unknown kind", async () => {
    expect(await outcome(await withRecord(7, Buffer.alloc(8)))).toBe("corrupt");
  });

  test("if a later serialization wrote them", async () => {
    const body = Buffer.from([4, 0, 0, 0, 0xff, 99, 0x49, 0]);
    expect(await outcome(await withRecord(frameKinds.commits, body))).toBe("format");
  });

  test("if their timestamps fall", async () => {
    expect(await outcome(await withRecord(frameKinds.commits, encodeCommit(numbered(3))))).toBe("corrupt");
  });
});

test("a header is read as it was written", async () => {
  const disk = new SimulatedDisk();
  const header = {
    kind: "log" as const,
    generation: 2 ** 40,
    ts: 2n ** 62n,
    previousBytes: 2 ** 41,
    lineage: Buffer.from("lineage!"),
    salt: Buffer.from("saltsalt"),
  };
  disk.put("a", encodeFileHeader(header));
  expect(await readFileHeader(await disk.open("a"), "a", { kind: "log", generation: 2 ** 40 })).toEqual(
    header,
  );
});
