// What a change of a script comes to, made by an app's code on a tab or by its functions on the server.
import type { PlainRow } from "../../../collections/index.js";
import type { ReplicaCollection, Transaction } from "../../../client/base/types.js";
import type { Operation } from "../../../shared/operations.js";
import type { sites } from "../../fieldApp.js";
import type { Tab } from "../tab.js";
import { fieldIn, nameIn, sitesOf } from "./releases.js";
import { steadyDocuments, type Change } from "./steps.js";

type Sites = ReplicaCollection<typeof sites>;

export function sitesOn({ replica, version }: Tab): Sites {
  return replica.collection(sitesOf(version));
}

export function isSteady(document: string): boolean {
  return (steadyDocuments as readonly string[]).includes(document);
}

/** A tag that no other change adds: wherever it is, this change is. */
export function tagOf({ value }: Change): string {
  return `tag ${value}`;
}

/** A tag that changes add and remove again. */
function sharedTag({ value }: Change): string {
  return `shared ${value % 3}`;
}

export function incrementOf({ value }: Change): number {
  return (value % 7) + 1;
}

/** By the methods that an app of a version would use. @returns the transactions, where these are made outside of `transact()`. @throws what these throw */
export function applyOnTab(collection: Sites, version: number, change: Change): Transaction[] {
  const { document: id, kind, country, value } = change;
  const named = (name: string) => nameIn(version, name);
  const inserted = { id, name: named(`site ${value}`), country, status: "open" } as const;
  if (!collection.has(id)) {
    return isSteady(id) ? [] : [collection.insert(inserted)];
  }
  if (kind === "delete") return [collection.delete(id)];
  if (kind === "replace") return [collection.delete(id), collection.insert(inserted)];
  const updated = collection.update(id, (draft) => {
    if (kind === "name") draft.name = named(`name ${value}`);
    if (kind === "forbidden") draft.name = named("forbidden");
    if (kind === "abort") draft.name = named("abort");
    if (kind === "move") draft.country = country;
    if (kind === "closed") draft.country = "LU";
    if (kind === "count") draft.visits.increment(incrementOf(change));
    if (kind === "tag") draft.tags.add(isSteady(id) ? tagOf(change) : sharedTag(change));
    if (kind === "untag") draft.tags.delete(sharedTag(change));
    if (kind === "note") {
      const registers = draft as unknown as Record<string, unknown>;
      if (value % 3 === 0) delete registers[fieldIn(version, "note")];
      else registers[fieldIn(version, "note")] = `note ${value}`;
    }
  });
  return [updated];
}

/** What the app's own functions do; they may not do everything wrong that a client may. */
export function operationsOnServer(change: Change, row: PlainRow | null): readonly Operation[] {
  const { document, kind, country, value } = change;
  const insert: Operation = { type: "insert", fields: { name: `site ${value}`, country, status: "open" } };
  if (row === null) return isSteady(document) ? [] : [insert];
  switch (kind) {
    case "name":
      return [{ type: "set", field: "name", value: `server ${value}` }];
    case "note":
      return [{ type: "set", field: "note", value: value % 3 === 0 ? undefined : `server ${value}` }];
    case "count":
      return [{ type: "increment", field: "visits", by: incrementOf(change) }];
    case "tag":
      return [{ type: "add", field: "tags", member: isSteady(document) ? tagOf(change) : sharedTag(change) }];
    case "untag":
      return [{ type: "remove", field: "tags", member: sharedTag(change) }];
    case "move":
      return [{ type: "set", field: "country", value: country }];
    case "delete":
      return [{ type: "delete" }];
    case "replace":
      return [{ type: "delete" }, insert];
    case "forbidden":
    case "abort":
    case "closed":
      return [];
  }
}
