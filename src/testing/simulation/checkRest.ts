// What must hold once everybody is online, nothing is wrong any more, and nobody has anything left to do.
import type { PlainRow } from "../../collections/index.js";
import { collectionOf } from "../../client/epochs.js";
import type { StoredChange, StoredTransaction } from "../../client/ports/storage.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import { Violation } from "../violation.js";
import type { AppInWorld } from "./app.js";
import type { DiskCheck } from "./checkDisk.js";
import type { Device } from "./device.js";
import type { Answers } from "./observations.js";
import type { Want } from "./script.js";
import type { Tab } from "./tab.js";
import { coversClocks, textOf, type Truth } from "./truth.js";

type Rules = Pick<AppInWorld, "isSteady" | "inFirstRelease">;

/**
 * I-4, I-18: whatever was stored was applied, or is listed as failed with its content, or was decided about; or a restored
 * backup has undone it, and the device had been done with it before it turned to the new epoch.
 */
export function checkOutcomes(
  device: Device,
  answers: Answers,
  rules: Rules,
  isUndone: (id: string) => boolean,
): void {
  const lists = device.livingTabs.map((tab) => ({ tab, listed: tab.replica.transactions.list() }));
  for (const [id, stored] of device.stored) {
    const isDone = answers.isApplied(id) || device.decided.has(id) || isUndone(id);
    for (const { tab, listed } of lists) {
      const found = listed.find((each) => each.id === id);
      if (isDone && found !== undefined && found.state !== "failed")
        throw new Violation("I-4", `"${id}" is done, and tab ${tab.name} lists it as ${found.state}`);
      if (isDone && answers.isApplied(id) && found !== undefined)
        throw new Violation("I-4", `"${id}" was applied, and tab ${tab.name} lists it as failed`);
      if (isDone) continue;
      if (found === undefined && !mayChangeNothing(stored, device, rules))
        throw new Violation(
          "I-4",
          `"${id}" was stored, was not applied, and is not listed by tab ${tab.name}`,
        );
      if (found === undefined) continue;
      if (found.state !== "failed" || found.error === undefined)
        throw new Violation("I-4", `"${id}" is ${found.state} for ever`);
      if (!isSameContent(found.changes, stored.changes, rules))
        throw new Violation("I-4", `"${id}" has failed, and its content is not what it was`);
      if (
        !device.mayHaveLost &&
        stored.changes.every(({ collection, id: document }) => rules.isSteady(collection, document))
      )
        throw new Violation(
          "I-15",
          `nothing was wrong with "${id}", which has failed: ${found.error.message}`,
        );
    }
  }
}

/** A later release translates what it finds: then it is the same if both come to the same in the first one. */
function isSameContent(
  found: readonly StoredChange[],
  stored: readonly StoredChange[],
  { inFirstRelease }: Rules,
): boolean {
  const inFirst = ({ collection, id, operations }: StoredChange) => ({
    collection,
    id,
    operations: operations.map((operation) => inFirstRelease(operation)),
  });
  const isTranslated = found.some((change, at) => change.schemaVersion !== stored[at]?.schemaVersion);
  const [a, b] = isTranslated ? [found.map(inFirst), stored.map(inFirst)] : [found, stored];
  return canonicalJson(a as never) === canonicalJson(b as never);
}

/** What was wanted may have been so already: then there is nothing to send. */
function mayChangeNothing({ changes }: StoredTransaction, device: Device, { isSteady }: Rules): boolean {
  const isDeleted = (collection: string, id: string) =>
    [...device.stored.values()].some((other) =>
      other.changes.some(
        (change) =>
          change.collection === collection &&
          change.id === id &&
          change.operations.some(({ type }) => type === "delete"),
      ),
    );
  return changes.every(
    ({ collection, id, operations }) =>
      isDeleted(collection, id) ||
      (!isSteady(collection, id) &&
        operations.every(({ type }) => type !== "increment" && type !== "insert")),
  );
}

/** I-5: what a device made of one document was applied in the order in which it was made. */
export function checkOrder(stored: readonly StoredTransaction[], answers: Answers): void {
  const place = new Map([...answers.final.keys()].map((id, at) => [id, at]));
  const last = new Map<string, StoredTransaction>();
  for (const transaction of stored) {
    const at = answers.isApplied(transaction.id) ? place.get(transaction.id) : undefined;
    if (at === undefined) continue;
    for (const { collection, id } of transaction.changes) {
      const key = `${collection}\0${id}`;
      const before = last.get(key);
      if (before !== undefined && (place.get(before.id) as number) > at)
        throw new Violation("I-5", `of "${id}" "${transaction.id}" was applied before "${before.id}"`);
      last.set(key, transaction);
    }
  }
}

/**
 * I-8, I-10, I-12: every tab shows, and every disk holds, exactly what may be read of what is wanted, as the server has it.
 *
 * @param readable what the device wants and its user may read
 */
export function checkEqual(device: Device, disk: DiskCheck, truth: Truth, readable: readonly Want[]): void {
  const isRead = (collection: string, id: string) => {
    const scope = truth.get(collection, id)?.scope ?? null;
    return readable.some((want) => want.collection === collection && want.scope === scope);
  };
  for (const tab of device.livingTabs)
    for (const { name } of truth.releases.collections(tab.version)) {
      const expected = truth.documents.filter(
        ({ collection, id }) => collection === name && isRead(collection, id),
      );
      const wanted = textOf(expected.flatMap(({ row }) => row ?? []));
      const rows = tab.rowsOf(name);
      const shown = textOf(rows.filter(({ id }) => isRead(name, id)));
      if (shown !== wanted)
        throw new Violation("I-8", `tab ${tab.name} shows\n${shown}, and the server has\n${wanted}`);
      if (!device.keepsOther) checkNoOther(tab, name, rows, truth, isRead);
    }
  checkHeld(device, disk, truth, isRead);
}

function checkNoOther(
  tab: Tab,
  collection: string,
  rows: readonly PlainRow[],
  truth: Truth,
  isRead: (collection: string, id: string) => boolean,
): void {
  const other = rows.find(({ id }) => !isRead(collection, id));
  if (other === undefined) return;
  const scope = truth.get(collection, other.id)?.scope ?? null;
  throw new Violation("I-12", `tab ${tab.name} shows "${other.id}" of ${scope}, which it does not read`);
}

function checkHeld(
  device: Device,
  disk: DiskCheck,
  truth: Truth,
  isRead: (collection: string, id: string) => boolean,
): void {
  for (const stored of device.onDisk?.documents ?? []) {
    const collection = collectionOf(stored.collection);
    const place = truth.get(collection, stored.id);
    if (place === undefined || !isRead(collection, stored.id)) {
      if (!device.keepsOther)
        throw new Violation("I-12", `device ${device.index} holds "${stored.id}" of ${place?.scope ?? null}`);
      continue;
    }
    const state = disk.stateOf(stored);
    if (state === null || !coversClocks(state, place) || !coversClocks(place, state))
      throw new Violation(
        "I-8",
        `device ${device.index} holds another state of "${stored.id}" than the server`,
      );
  }
}
