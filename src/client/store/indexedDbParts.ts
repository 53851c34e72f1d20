import type { Commit, PartPlace, PartPosition, StoredPart } from "../ports/storage.js";
import { readRecord } from "./indexedDbReading.js";
import type { PartKey, Read, StoreName, Write } from "./indexedDbSchema.js";
import { begin } from "./indexedDbWriting.js";
import { seal, unseal } from "./sealed.js";

export const partStores: StoreName[] = ["parts", "partPositions"];

/** Where a part is that the device holds and nobody can tell how far it was read: it is read again, from its start. */
const unknownPosition = { cursor: 0n, epoch: "", bytes: 0 };

export function putParts(tx: Write, { parts = [], removedParts = [] }: Commit): void {
  for (const place of removedParts)
    for (const store of ["parts", "partPositions"] as const)
      begin(tx.objectStore(store).delete(keyOf(place)));
  for (const part of parts) {
    const { base, ...position } = part;
    const owned = base.byteLength === base.buffer.byteLength ? part : { ...position, base: base.slice() };
    begin(tx.objectStore("parts").put(seal(owned), keyOf(part)));
    begin(tx.objectStore("partPositions").put(seal(position), keyOf(part)));
  }
}

/** How far each part was read. One whose record is damaged is told of all the same: it goes with its document. */
export async function readPartPositions(tx: Read): Promise<PartPosition[]> {
  const store = tx.objectStore("partPositions");
  const [keys, records] = await Promise.all([store.getAllKeys(), readRecord(store.getAll())]);
  return keys.map(([collection, id, part], index) => {
    const position = unseal(records?.value[index])?.value;
    return position ?? { collection, id, part, ...unknownPosition };
  });
}

/** @returns null if it is not there, or damaged */
export async function readPart(tx: Read, place: PartPlace): Promise<StoredPart | null> {
  const record = await readRecord(tx.objectStore("parts").get(keyOf(place)));
  return unseal(record?.value)?.value ?? null;
}

function keyOf({ collection, id, part }: PartPlace): PartKey {
  return [collection, id, part];
}
