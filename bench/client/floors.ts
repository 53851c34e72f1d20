// What the same work costs with nothing of ours in it.
import * as Y from "yjs";
import { unpackBlob } from "../../src/shared/blob.js";
import { openDocument } from "../../src/shared/document.js";
import { bytesOf, Editor, visit, type Form } from "./history.js";
import type { Place } from "./places.js";

export function timeOf(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** JSON.parse of the rows. */
export function parseMs(rows: readonly Place[]): number {
  const text = JSON.stringify(rows);
  return timeOf(() => JSON.parse(text));
}

/** `Y.applyUpdate` of as many deltas, to documents that are open already. */
export function applyMs(rows: readonly Place[], count: number, documents: number, form: Form = "snapshots") {
  const editor = new Editor(7);
  const chosen = rows.slice(0, documents);
  const open = chosen.map((row) => openDocument([bytesOf(row, form)]));
  const updates = Array.from({ length: count }, (_, n) => {
    return unpackBlob(editor.edit(chosen[n % documents]!, form, visit(n))).update;
  });
  return timeOf(() => {
    for (const [n, update] of updates.entries()) Y.applyUpdate(open[n % documents]!, update);
  });
}

/** The same where documents have to be opened first, as where nobody holds ten thousand of them open. */
export function openAndApplyMs(rows: readonly Place[], count: number, form: Form = "snapshots"): number {
  const editor = new Editor(7);
  const bases = rows.slice(0, count).map((row) => bytesOf(row, form));
  const updates = rows.slice(0, count).map((row, n) => editor.edit(row, form, visit(n)));
  return timeOf(() => {
    for (const [n, update] of updates.entries()) openDocument([bases[n]!, update]);
  });
}

/** The same change of a plain object in a Map: each a mean of a hundred, as no clock is that fine. */
export function mapWriteMs(rows: readonly Place[], count: number): number[] {
  const plain = new Map(rows.map((row) => [row.id, row]));
  const write = (n: number) => {
    const { id } = rows[(n * 37) % rows.length]!;
    plain.set(id, { ...plain.get(id)!, note: `note ${n}` });
  };
  return Array.from({ length: count }, (_, n) => {
    return (
      timeOf(() => {
        for (let each = 0; each < 100; each++) write(n * 100 + each);
      }) / 100
    );
  });
}

/** Updates of a Y.Doc that is sent as it is edited, as its providers do: messages, and the bytes in them. */
export function rawYjsTraffic(edits: number, documents: number): { messages: number; bytes: number } {
  const sent = { messages: 0, bytes: 0 };
  const docs = Array.from({ length: documents }, () => {
    const doc = new Y.Doc();
    doc.on("update", (update: Uint8Array) => {
      sent.messages++;
      sent.bytes += update.length;
    });
    return doc;
  });
  for (let n = 0; n < edits; n++) {
    const doc = docs[n % documents]!;
    const map = doc.getMap("r");
    doc.transact(() => {
      map.set("note", `draft ${n} of a note`);
      map.set("visits", ((map.get("visits") as number | undefined) ?? 0) + 1);
    });
  }
  return sent;
}
