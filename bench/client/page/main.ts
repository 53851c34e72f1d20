// What the bench calls in a page; each page load runs one thing.
import type { Form } from "../history.js";
import { applyMs, mapWriteMs, openAndApplyMs, parseMs } from "../floors.js";
import { callsPerReopen, Ours } from "../ours.js";
import type { Place } from "../places.js";
import { putMs, readPagesMs, storePages } from "./indexedDbFloor.js";

const ours = new Ours();
let held: unknown;

const fetchRows = async (count: number) =>
  ((await (await fetch("/places.json")).json()) as Place[]).slice(0, count);

const bench = {
  firstLoad: async (count: number, form?: Form) => ours.firstLoadCounted(await fetchRows(count), form),
  reopen: (count: number) => ours.reopen(count),
  hold: (count: number) => ours.hold(count),
  show: (count: number) => ours.show(count),
  deltas: async (count: number, rounds: number, documents?: number) =>
    ours.deltas(await fetchRows(count), rounds, documents),
  write: async (count: number, writes: number, how?: "offline" | "online" | "listed") =>
    ours.write(await fetchRows(count), writes, how),
  rapidEdits: async (count: number, edits: number, documents: number, everyMs: number) =>
    ours.rapidEdits(await fetchRows(count), edits, documents, everyMs),
  catchUp: async (count: number, own: number, theirs: number, edits: number) =>
    ours.catchUp(await fetchRows(count), own, theirs, edits),
  callsPerReopen: async (count: number) => callsPerReopen(await fetchRows(count), undefined),
  /** The rows as plain objects, to weigh. */
  holdRows: async (count: number) => void (held = await fetchRows(count)),
  isHeld: () => held !== undefined,
  floorParse: async (count: number) => parseMs(await fetchRows(count)),
  floorStore: async (count: number) => storePages(await fetchRows(count)),
  floorReopen: (count: number) => readPagesMs(count),
  floorApply: async (count: number, updates: number, documents: number) =>
    applyMs(await fetchRows(count), updates, documents),
  floorOpenAndApply: async (count: number, updates: number) =>
    openAndApplyMs(await fetchRows(count), updates),
  floorWrite: async (count: number, writes: number) => mapWriteMs(await fetchRows(count), writes),
  floorPut: (writes: number) => putMs(writes),
};
export type PageBench = typeof bench;
Object.assign(window, { bench });
