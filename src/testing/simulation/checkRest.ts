// What must hold once everybody is online, nothing is wrong any more, and nobody has anything left to do.
import type { StoredChange, StoredTransaction } from "../../client/ports/storage.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { PlainRow } from "../../collections/index.js";
import { Violation } from "../violation.js";
import type { AccessRules } from "./backend.js";
import { isSteady } from "./changes.js";
import type { DiskCheck } from "./checkDisk.js";
import { tagsOf } from "./checkServer.js";
import type { Device } from "./device.js";
import type { Answers } from "./observations.js";
import { inVersion, newest, plainOperation } from "./releases.js";
import { steadyDocuments } from "./steps.js";
import { coversClocks, textOf, type Rewritten, type Truth } from "./truth.js";

/**
 * I-4, I-18: whatever was stored was applied, or is listed as failed with its content, or was decided about; or a restored
 * backup has undone it, and the device had been done with it before it turned to the new epoch.
 */
export function checkOutcomes(device: Device, answers: Answers, isUndone: (id: string) => boolean): void {
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
      if (found === undefined && !mayChangeNothing(stored, device))
        throw new Violation(
          "I-4",
          `"${id}" was stored, was not applied, and is not listed by tab ${tab.name}`,
        );
      if (found === undefined) continue;
      if (found.state !== "failed" || found.error === undefined)
        throw new Violation("I-4", `"${id}" is ${found.state} for ever`);
      if (!isSameContent(found.changes, stored.changes))
        throw new Violation("I-4", `"${id}" has failed, and its content is not what it was`);
      if (!device.mayHaveLost && stored.changes.every((change) => isSteady(change.id)))
        throw new Violation(
          "I-15",
          `nothing was wrong with "${id}", which has failed: ${found.error.message}`,
        );
    }
  }
}

/** A later release translates what it finds: then it is the same if both come to the same in version 1. */
function isSameContent(found: readonly StoredChange[], stored: readonly StoredChange[]): boolean {
  const isTranslated = found.some((change, at) => change.schemaVersion !== stored[at]?.schemaVersion);
  const [a, b] = isTranslated ? [found.map(inVersion1), stored.map(inVersion1)] : [found, stored];
  return canonicalJson(a as never) === canonicalJson(b as never);
}

function inVersion1({ collection, id, operations }: StoredChange) {
  return { collection, id, operations: operations.map(plainOperation) };
}

/** What was wanted may have been so already: then there is nothing to send. */
function mayChangeNothing({ changes }: StoredTransaction, device: Device): boolean {
  const isDeleted = (id: string) =>
    [...device.stored.values()].some((other) =>
      other.changes.some(
        (change) => change.id === id && change.operations.some(({ type }) => type === "delete"),
      ),
    );
  return changes.every(
    ({ id, operations }) =>
      isDeleted(id) ||
      (!isSteady(id) && operations.every(({ type }) => type !== "increment" && type !== "insert")),
  );
}

/** I-5: what a device made of one document was applied in the order in which it was made. */
export function checkOrder(stored: readonly StoredTransaction[], answers: Answers): void {
  const place = new Map([...answers.final.keys()].map((id, at) => [id, at]));
  const last = new Map<string, StoredTransaction>();
  for (const transaction of stored) {
    const at = answers.isApplied(transaction.id) ? place.get(transaction.id) : undefined;
    if (at === undefined) continue;
    for (const { id } of transaction.changes) {
      const before = last.get(id);
      if (before !== undefined && (place.get(before.id) as number) > at)
        throw new Violation("I-5", `of "${id}" "${transaction.id}" was applied before "${before.id}"`);
      last.set(id, transaction);
    }
  }
}

/**
 * I-4: a push changes the fields that it writes and no other, whichever versions it and its document were of: what others
 * had written is there as it was.
 */
export function checkRewritten(
  rewritten: readonly Rewritten[],
  { applied }: Answers,
  transactions: ReadonlyMap<string, StoredTransaction>,
): void {
  for (const { ts, document, fields } of rewritten) {
    const ids = applied.get(ts);
    if (ids === undefined) continue; // the server's own
    const operations = ids
      .flatMap((id) => transactions.get(id)?.changes ?? [])
      .flatMap((change) => (change.id === document ? change.operations : []))
      .map((operation) => inVersion(newest, plainOperation(operation)));
    if (operations.some(({ type }) => type === "insert" || type === "delete")) continue;
    const written = operations.map((operation) => ("field" in operation ? operation.field : ""));
    const other = fields.find((field) => !written.includes(field));
    if (other !== undefined)
      throw new Violation(
        "I-4",
        `"${ids.join(", ")}" changed "${other}" of "${document}", which nothing in it writes`,
      );
  }
}

/** I-3, I-4: each change of a steady document that was applied is there once; no other is. */
export function checkSteady(
  truth: Truth,
  expected: (document: string) => { readonly visits: number; readonly tags: ReadonlySet<string> },
): void {
  for (const id of steadyDocuments) {
    const row = truth.documents.get(id)?.row ?? null;
    const { visits, tags } = expected(id);
    if (row?.["visits"] !== visits)
      throw new Violation("I-3", `"${id}" counts ${String(row?.["visits"])} visits, ${visits} were applied`);
    const held = tagsOf(row);
    for (const tag of tags)
      if (!held.has(tag)) throw new Violation("I-4", `"${tag}" was applied to "${id}", which lacks it`);
    for (const tag of held)
      if (!tags.has(tag)) throw new Violation("I-3", `"${id}" has "${tag}", which was not applied`);
  }
}

/** I-8, I-10, I-12: every tab shows, and every disk holds, exactly what may be read of what is wanted, as the server has it. */
export function checkEqual(device: Device, disk: DiskCheck, truth: Truth, rules: AccessRules): void {
  const readable = [...device.wants].filter((scope) => rules.mayRead(device.user, scope));
  const isRead = (scope: string | null) => scope !== null && readable.includes(scope);
  const expected = [...truth.documents.values()].filter(({ scope }) => isRead(scope));
  const wanted = textOf(expected.flatMap(({ row }) => row ?? []));
  for (const tab of device.livingTabs) {
    const rows = [...tab.sites.rows()] as unknown as PlainRow[];
    const shown = rows.filter(({ id }) => isRead(truth.documents.get(id)?.scope ?? null));
    if (textOf(shown) !== wanted)
      throw new Violation("I-8", `tab ${tab.name} shows\n${textOf(shown)}, and the server has\n${wanted}`);
    for (const { id } of rows) {
      const scope = truth.documents.get(id)?.scope ?? null;
      if (!isRead(scope) && !device.keepsOther)
        throw new Violation("I-12", `tab ${tab.name} shows "${id}" of ${scope}, which it does not read`);
    }
  }
  for (const stored of device.onDisk?.documents ?? []) {
    const place = truth.documents.get(stored.id);
    if (place === undefined || !isRead(place.scope)) {
      if (!device.keepsOther)
        throw new Violation("I-12", `device ${device.index} holds "${stored.id}" of ${place?.scope ?? null}`);
      continue;
    }
    const state = disk.stateOf(stored);
    if (!coversClocks(state, place) || !coversClocks(place, state))
      throw new Violation(
        "I-8",
        `device ${device.index} holds another state of "${stored.id}" than the server`,
      );
  }
}
