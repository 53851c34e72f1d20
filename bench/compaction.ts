// What it takes to compact 10,000 deltas, and what is left: ours, in one Y.Doc, beside `Y.mergeUpdates`. Floor: the
// same rows read and deleted and one row written in their place, by the same engine, without a look at what is in them.
import * as Y from "yjs";
import { HeldClock } from "../local/heldClock.js";
import { encodeSnapshot, openDocument } from "../src/shared/document.js";
import { Author } from "./author.js";
import { callOf, collection, scope, succeed, type Edit, type StartDesign } from "./design.js";
import { startObvious } from "./obvious/design.js";
import { startOurs } from "./ours.js";
import { median, timed, type Row } from "./row.js";
import { StoredBytes } from "./storedBytes.js";

const total = 10_000;
/** Of eight: name and country stay. */
const editedFields = 6;
const rounds = 3;

interface Case {
  readonly name: string;
  readonly documents: number;
  /** Deltas that each compaction finds. */
  readonly deltas: number;
  /** Compactions of each document, one after the other. */
  readonly times: number;
}

const cases: readonly Case[] = [
  { name: "32 deltas a document", documents: 312, deltas: 32, times: 1 },
  { name: "128 deltas a document", documents: 78, deltas: 128, times: 1 },
  { name: "one document, 128 at a time", documents: 1, deltas: 128, times: 78 },
  { name: "one document, 500 at a time", documents: 1, deltas: 500, times: 20 },
];

export async function compaction(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const each of cases) {
    const measured: Record<string, Measured[]> = { ours: [], obvious: [], floor: [] };
    for (let round = 0; round < rounds; round++)
      for (const [name, start] of Object.entries({
        ours: startOurs,
        obvious: startObvious,
        floor: startFloor,
      }))
        measured[name]!.push(await measure(start, each));
    const ms = (name: string) => median(measured[name]!.map((one) => one.ms));
    const bytes = (name: string) => measured[name]![0]!;
    const perAll = `time for ${total} deltas`;
    rows.push(
      { ...timed(each.name, perAll, ms("ours"), "ms", ms("floor")), peer: ms("obvious") },
      {
        ...{ case: each.name, metric: "obvious design × floor", unit: "" },
        value: ms("obvious") / ms("floor"),
      },
      ...(["before", "after"] as const).map((when) => ({
        ...{ case: each.name, metric: `stored ${when}, a document`, unit: "B" },
        value: bytes("ours")[when] / each.documents,
        peer: bytes("obvious")[when] / each.documents,
      })),
    );
  }
  return [...rows, ...alone()];
}

interface Measured {
  /** For 10,000 deltas. */
  readonly ms: number;
  /** Of deltas and snapshots, with their rows. */
  readonly before: number;
  readonly after: number;
}

async function measure(start: StartDesign, { documents, deltas, times }: Case): Promise<Measured> {
  const design = await start({ clock: new HeldClock(), seed: 1, limits: { userTime: false } });
  const stored = new StoredBytes(design.engine);
  const author = new Author(0);
  let [ms, before, compacted] = [0, 0, 0];
  for (let time = 0; time < times; time++) {
    for (let n = 0; n < documents; n++) await design.seedDeltas(editsOf(author, `site ${n}`, time, deltas));
    before += stored.bytes(/(^|:)deltas$/);
    for (let n = 0; n < documents; n++) {
      const { value, ms: took } = await succeed(design.engine, design.compact(`site ${n}`));
      if (value !== deltas) throw new Error(`${String(value)} deltas were compacted, not ${deltas}.`);
      ms += took;
      compacted += deltas;
    }
  }
  await design.engine.close();
  return { ms: (ms * total) / compacted, before, after: stored.bytes(/(^|:)(deltas|snapshots)$/) };
}

/** A record of eight fields, one of which is set at a time. */
function editsOf(author: Author, document: string, time: number, count: number): Edit[] {
  return Array.from({ length: count }, (_, n) => {
    const edit = time * count + n;
    if (edit > 0) return author.set(document, `field${n % editedFields}`, `value ${edit}`);
    const registers = Array.from(
      { length: editedFields },
      (_each, at) => [`field${at}`, `first ${at}`] as const,
    );
    return author.change(document, [
      { type: "insert", fields: { name: "n", country: scope, ...Object.fromEntries(registers) } },
    ]);
  });
}

const startFloor: StartDesign = async (options) => ({
  ...(await startObvious(options)),
  compact: (document) => callOf("mutation", "floor:compact", { collection, document }),
});

/** Without a database: all updates of one document at once. */
function alone(): Row[] {
  const rows: Row[] = [];
  for (const count of [1_000, total]) {
    const blobs = editsOf(new Author(0), "site", 0, count).map(({ bytes }) => bytes);
    const updates = blobs.map((blob) => blob.slice(1));
    const time = <T>(work: () => T) => {
      const start = performance.now();
      return { result: work(), ms: performance.now() - start };
    };
    const ours = time(() => encodeSnapshot(openDocument(blobs)));
    const merged = time(() => Y.mergeUpdates(updates));
    const floor = time(() => {
      const all = new Uint8Array(updates.reduce((sum, update) => sum + update.length, 0));
      let at = 0;
      for (const update of updates) {
        all.set(update, at);
        at += update.length;
      }
      return all;
    });
    const name = `${count} updates of one document, in memory`;
    rows.push(
      { ...timed(name, "time", ours.ms, "ms", floor.ms), peer: merged.ms },
      { case: name, metric: "bytes", unit: "B", value: ours.result.length, peer: merged.result.length },
    );
  }
  return rows;
}
