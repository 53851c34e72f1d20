// What a large text costs where it is opened as a whole: in compaction and by the follower, in a process of its own with
// the heap that Convex gives. Texts are written as people write them (local/editTrace.ts; REPLICATE_TRACE names a
// recording). Floor: the same text, decoded from UTF-8 and encoded again. What a push and a page of a large text read
// and write is counted by local/engine/largeParts.test.ts.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { seededRandom } from "../local/engine/random.js";
import { openTrace, type EditTrace } from "../local/editTrace.js";
import { PartReplay } from "../local/partReplay.js";
import { encodeSnapshot, openDocument } from "../src/shared/document.js";
import { authorText, openPart } from "../src/shared/partDocument.js";
import type { Compaction } from "./compactPart.js";
import { median, timed, type Row } from "./row.js";

const MIB = 1024 * 1024;
const sizes = [0.25, 1, 1.9];
const authors = [1001, 1002, 1003];
const heapsMb = [64, 56, 48, 40];
const runs = 5;
const waiting = 2000;

export async function parts(): Promise<Row[]> {
  const trace = openTrace();
  console.log(`Of ${trace.name}.`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-parts-"));
  try {
    return [...sizes.flatMap((size) => measure(trace, size, folder)), ...measureWaiting(trace)];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function measure(trace: EditTrace, size: number, folder: string): Row[] {
  const replay = new PartReplay(trace, seededRandom(3));
  let stored = replay.encode();
  for (let update = 0; stored.length < size * MIB; update++) {
    replay.type(authors[update % authors.length]!, 100);
    if (update % 5 === 0) stored = replay.encode();
  }
  const file = path.join(folder, "stored");
  fs.writeFileSync(file, stored);
  const all = work<Compaction>([file, `${runs}`], heapsMb[0]!);
  if (all === null) throw new Error(`${stored.length} bytes are not compacted in ${heapsMb[0]} MB.`);
  const text = new TextEncoder().encode(replay.text);
  const floor = median(Array.from({ length: runs }, () => cpuMsOf(() => recode(text))));
  const name = `${size} MiB`;
  const doc = openPart([stored]);
  authorText(doc, 7, (log) => log.delete(0, log.length >> 1));
  const later = path.join(folder, "later");
  fs.writeFileSync(later, encodeSnapshot(doc));
  const restored = work<{ restoreMs: number }>([file, `${runs}`, later], heapsMb[0]!);
  if (restored === null) throw new Error(`${stored.length} bytes are not restored in ${heapsMb[0]} MB.`);
  const smallest = (...last: string[]) =>
    heapsMb.findLast((mb) => work([file, "1", ...last], mb) !== null) ?? NaN;
  const restoreMs = median(restored.map((each) => each.restoreMs));
  const tried = heapsMb.join(", ");
  const of = (what: keyof Compaction) => median(all.map((each) => each[what]));
  return [
    { case: name, metric: "pieces", value: of("pieces"), unit: "" },
    { case: name, metric: "text", value: text.length / MIB, unit: "MiB" },
    timed(name, "open", of("openMs"), "ms CPU", floor),
    timed(name, "encode", of("encodeMs"), "ms CPU", floor),
    timed(name, "first 64 KiB of the text", of("textMs"), "ms CPU", floor),
    { case: name, metric: "heap held", value: of("heap") / MIB, unit: "MiB" },
    { case: name, metric: `smallest heap of ${tried} MB that does`, value: smallest(), unit: "MB" },
    timed(name, "half of it deleted, and restored", restoreMs, "ms CPU", floor),
    { case: name, metric: `restored: smallest heap of ${tried} MB`, value: smallest(later), unit: "MB" },
  ];
}

/** @returns null: the heap was too small */
function work<Result>(args: readonly string[], heapMb: number): Result[] | null {
  const flags = [`--max-old-space-size=${heapMb}`, "--import", "tsx"];
  const { status, stdout } = spawnSync(
    process.execPath,
    [...flags, path.join(import.meta.dirname, "compactPart.ts"), ...args],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  if (status !== 0) return null;
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Result);
}

/** Updates that stand on one that is missing: Yjs alone puts each together with all before it. */
function measureWaiting(trace: EditTrace): Row[] {
  const replay = new PartReplay(trace, seededRandom(3));
  const updates = Array.from({ length: waiting + 1 }, () => replay.type(authors[0]!, 1));
  const late = updates.slice(1);
  const floor = median(Array.from({ length: runs }, () => cpuMsOf(() => openPart(updates))));
  const name = `${waiting} updates`;
  return [
    timed(
      name,
      "that wait for one before them",
      cpuMsOf(() => openPart(late)),
      "ms CPU",
      floor,
    ),
    timed(
      name,
      "the same as Yjs would do it",
      cpuMsOf(() => openDocument(late)),
      "ms CPU",
      floor,
    ),
  ];
}

function recode(text: Uint8Array): number {
  return new TextEncoder().encode(new TextDecoder().decode(text)).length;
}

function cpuMsOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
