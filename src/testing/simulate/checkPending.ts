import type { AnyCollection, PlainRow } from "../../collections/index.js";
import type { ReplicaCollection } from "../../client/base/types.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { Operation } from "../../shared/operations.js";
import type { Tab } from "../simulation/tab.js";
import { Violation } from "../violation.js";

const open: readonly string[] = ["queued", "pending", "persisting"];

/** What a document must look like to whom made changes of it that nobody else can have seen yet. */
interface Expected {
  readonly collection: string;
  readonly id: string;
  /** Whether it must be there; null: as others have it. */
  isPresent: boolean | null;
  /** The last thing done to each field, or to each member of one. */
  readonly last: Map<string, Operation>;
}

/**
 * I-7: what was written and not been made into bytes yet is shown, over whatever others have written meanwhile.
 *
 * @param wasAuthored whether a transaction may have been sent: then what is shown of it may be of the server by now
 */
export function checkPending(tab: Tab, wasAuthored: (transaction: string) => boolean): void {
  const all = new Map<string, Expected>();
  for (const { id, state, strategy, changes } of tab.replica.transactions.list())
    if (open.includes(state) && strategy === "ordered" && !wasAuthored(id))
      for (const change of changes) note(all, change.collection, change.id, change.operations);
  for (const expected of all.values()) compare(tab, expected);
}

function note(
  all: Map<string, Expected>,
  collection: string,
  id: string,
  operations: readonly Operation[],
): void {
  const key = `${collection}\0${id}`;
  const expected = all.get(key) ?? { collection, id, isPresent: null, last: new Map() };
  all.set(key, expected);
  for (const operation of operations) {
    if (operation.type === "insert" || operation.type === "delete") {
      expected.isPresent = operation.type === "insert";
      expected.last.clear();
      if (operation.type === "insert")
        for (const [field, value] of Object.entries(operation.fields))
          expected.last.set(field, { type: "set", field, value });
    } else if (operation.type === "set") expected.last.set(operation.field, operation);
    else if (operation.type !== "increment")
      expected.last.set(`${operation.field}\0${canonicalJson(operation.member)}`, operation);
  }
}

function compare(tab: Tab, { collection, id, isPresent, last }: Expected): void {
  const { definition, row } = findRow(tab, collection, id);
  if (isPresent !== null && isPresent !== (row !== undefined))
    throw new Violation(
      "I-7",
      `tab ${tab.name} ${isPresent ? "does not show" : "shows"} "${id}", which was ${isPresent ? "inserted" : "deleted"} on it`,
    );
  if (row === undefined) return;
  for (const operation of last.values())
    if (!isShown(definition, row, operation))
      throw new Violation(
        "I-7",
        `tab ${tab.name} does not show its own ${canonicalJson(operation as never)} of "${id}": ${canonicalJson(row)}`,
      );
}

function findRow(
  { replica, collections }: Tab,
  collection: string,
  id: string,
): { definition: AnyCollection; row: PlainRow | undefined } {
  const definition = collections.find(({ name }) => name === collection) as AnyCollection;
  const rows: ReplicaCollection<AnyCollection> = replica.collection(definition);
  return { definition, row: rows.get(id) as PlainRow | undefined };
}

function isShown(definition: AnyCollection, row: PlainRow, operation: Operation): boolean {
  switch (operation.type) {
    case "set": {
      const value = operation.value ?? definition.defaults[operation.field];
      return (
        canonicalJson((row[operation.field] ?? null) as never) === canonicalJson((value ?? null) as never)
      );
    }
    case "add":
    case "remove": {
      const members = (row[operation.field] ?? []) as unknown[];
      return members.includes(operation.member) === (operation.type === "add");
    }
    default:
      return true;
  }
}
