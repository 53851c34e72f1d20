// A process that does with a stored part what compaction does, or with two states of it what a restore does, and nothing
// else: `parts.ts` starts it with so little heap as Convex gives, and with ever less.
import fs from "node:fs";
import vm from "node:vm";
import v8 from "node:v8";
import { encodeSnapshot } from "../src/shared/document.js";
import { limits } from "../src/shared/limits.js";
import { openPart, piecesOf, plainText } from "../src/shared/partDocument.js";
import { revertPart } from "../src/shared/revertPart.js";

export interface Compaction {
  /** CPU time of the process, those of its garbage collector's threads included. */
  readonly openMs: number;
  readonly encodeMs: number;
  readonly textMs: number;
  readonly pieces: number;
  /** Of objects that are held at its end. */
  readonly heap: number;
}

const [, , file = "", runs = "1", later] = process.argv;
v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;
const stored = new Uint8Array(fs.readFileSync(file));
for (let run = 0; run < Number(runs); run++)
  console.log(JSON.stringify(later === undefined ? compactOnce() : restoreOnce(later)));

function restoreOnce(changed: string): { readonly restoreMs: number } {
  const now = new Uint8Array(fs.readFileSync(changed));
  collectGarbage();
  const started = cpuMs();
  if (revertPart("text", stored, [now], 7) === null) throw new Error("Nothing was restored.");
  return { restoreMs: cpuMs() - started };
}

function compactOnce(): Compaction {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const started = cpuMs();
  const doc = openPart([stored]);
  const opened = cpuMs();
  const snapshot = encodeSnapshot(doc);
  const encoded = cpuMs();
  const beginning = plainText(doc, limits.textBytes);
  const told = cpuMs();
  collectGarbage();
  return {
    openMs: opened - started,
    encodeMs: encoded - opened,
    textMs: told - encoded,
    pieces: beginning === "" || snapshot.length === 0 ? 0 : piecesOf(doc),
    heap: process.memoryUsage().heapUsed - before,
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
