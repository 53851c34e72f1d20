// A collection's new epoch, as decisions on the contents of the database (docs/decisions/0010). What is read in the new
// epoch is stored beside the old rows, as if it were a collection of its own, and takes their place in one commit.
import type { TransactionStatus } from "../shared/wire.js";
import { startCursor } from "../shared/wire.js";
import { emptyPublication, joinPublications, toShownRow } from "./base/publication.js";
import { decideAnswer, entriesOf, settleGroup } from "./outbox/answers.js";
import { emptyStep, type Step } from "./outbox/steps.js";
import type { AuthoredGroup, Commit, StoredScope } from "./ports/storage.js";
import type { Decision, Journal } from "./store/journal.js";

/** No collection can be named so. */
const suffix = "\0next";

/** The name under which the next epoch of a collection is stored until it is complete. */
export function stagedName(collection: string): string {
  return `${collection}${suffix}`;
}

export function isStaged(storedCollection: string): boolean {
  return storedCollection.endsWith(suffix);
}

/** The collection that is stored under a name. */
export function collectionOf(storedCollection: string): string {
  return isStaged(storedCollection) ? storedCollection.slice(0, -suffix.length) : storedCollection;
}

/** The epoch in which what is stored under a name was read; undefined: nothing is. One name holds one epoch. */
export function epochOf(journal: Journal, storedCollection: string): string | undefined {
  return journal.scopes().find(({ collection }) => collection === storedCollection)?.epoch;
}

/** Collections that are on their way to another epoch. */
export function turningCollections(journal: Journal): string[] {
  const staged = journal.scopes().filter(({ collection }) => isStaged(collection));
  return [...new Set(staged.map(({ collection }) => collectionOf(collection)))];
}

/**
 * The server told an epoch that is not the one a scope was read in: begins to read the collection in it, or goes back
 * to what is shown if that is of this epoch after all. What was read of yet another one goes.
 *
 * @returns null if that has begun already
 */
export function decideTurn(
  journal: Journal,
  collection: string,
  scope: string,
  epoch: string,
): Decision | null {
  const staged = stagedName(collection);
  const isBegun = journal.scope(staged, scope)?.epoch === epoch;
  if (isBegun) return null;
  const isOtherTurn = epochOf(journal, staged) !== epoch;
  const old = isOtherTurn ? removeAll(journal, staged) : {};
  const begun: StoredScope = { collection: staged, scope, cursor: startCursor, epoch, isComplete: false };
  const scopes = epochOf(journal, collection) === epoch ? [] : [begun];
  return { commit: { ...old, scopes }, publication: emptyPublication };
}

/**
 * The server's stream of a scope has gone on without telling all of it, in the same epoch: what is read of it now, from
 * the start, is merged into what is held, which is true but for what has left the scope meanwhile.
 */
export function decideReread(journal: Journal, storedCollection: string, scope: string): Decision | null {
  const known = journal.scope(storedCollection, scope);
  if (known === undefined) return null;
  const { horizon: _, ...position } = known;
  const unmet = journal.documentsIn(storedCollection, scope).map(({ id }) => id);
  return {
    commit: { scopes: [{ ...position, cursor: startCursor, unmet }] },
    publication: emptyPublication,
  };
}

/** The authored groups that a new epoch of the collection puts in question. */
export function groupsIn(journal: Journal, collection: string): AuthoredGroup[] {
  return journal.groups().filter((group) => group.updates.some((update) => update.collection === collection));
}

/**
 * Shows the new epoch in place of the old one, all of it in one commit. Of what this device has authored in the
 * collection, what the server has a receipt for is done: it is in what was read, for nothing of the old epoch was
 * applied after the new one had begun. What it knows nothing of waits again, to be authored on the new rows.
 *
 * @param statuses what the server says of the first transaction of each of {@link groupsIn}
 * @returns null if it said nothing of one of them
 */
export function decideTurned(
  journal: Journal,
  collection: string,
  statuses: ReadonlyMap<string, TransactionStatus>,
  freshAuthor: () => number,
): Decision | null {
  const outcomes = groupsIn(journal, collection).map((group) => {
    const status = statuses.get(group.transactions[0] ?? "");
    return status === undefined ? null : decideGroup(journal, group, collection, status);
  });
  if (outcomes.includes(null)) return null;
  const steps = outcomes.filter((each) => each !== null);
  const staged = stagedName(collection);
  const documents = journal.documentsOf(staged).map((document) => ({ ...document, collection }));
  const arrived = new Set(documents.map(({ id }) => id));
  const gone = journal.documentsOf(collection).filter(({ id }) => !arrived.has(id));
  const scopes = journal
    .scopes()
    .filter((each) => each.collection === staged)
    .map((each) => ({ ...each, collection }));
  const [oldStaged, old] = [removeAll(journal, staged), removeAll(journal, collection)];
  const rows = [...gone.map(({ id }) => ({ collection, id, row: null })), ...documents.map(toShownRow)];
  const listOf = <K extends "groups" | "removedGroups" | "outbox" | "removedOutbox">(key: K) =>
    steps.flatMap(({ commit }) => (commit[key] ?? []) as readonly unknown[]) as NonNullable<Commit[K]>;
  return {
    commit: {
      groups: listOf("groups"),
      removedGroups: listOf("removedGroups"),
      outbox: listOf("outbox"),
      removedOutbox: listOf("removedOutbox"),
      removedDocuments: [...oldStaged.removedDocuments, ...gone.map(({ id }) => ({ collection, id }))],
      documents,
      removedScopes: [...oldStaged.removedScopes, ...old.removedScopes],
      scopes,
      author: freshAuthor(),
    },
    publication: steps
      .map((step) => step.publication)
      .reduce(joinPublications, { ...emptyPublication, rows }),
  };
}

function decideGroup(
  journal: Journal,
  group: AuthoredGroup,
  collection: string,
  status: TransactionStatus,
): Step {
  const entries = entriesOf(journal, group);
  if (status.status === "applied") {
    const updates = group.updates.map((update) =>
      update.collection === collection ? { ...update, isCovered: true } : update,
    );
    return settleGroup({ ...group, updates, isAnswered: true }, entries);
  }
  const open = { ...group, isAnswered: false };
  const source = {
    groups: () => [open],
    outbox: () => journal.outbox(),
    waiting: () => journal.waiting(),
  };
  const { id: _, ...outcome } = status;
  const ids = [...group.transactions];
  const decided =
    outcome.status === "rejected"
      ? decideAnswer(source, { ids, ...outcome })
      : decideAnswer(source, { ids, status: "gap" });
  return decided ?? emptyStep;
}

/** Takes everything away that is stored under a name. */
function removeAll(journal: Journal, storedCollection: string) {
  return {
    removedDocuments: journal.documentsOf(storedCollection).map(({ collection, id }) => ({ collection, id })),
    removedScopes: journal
      .scopes()
      .filter(({ collection }) => collection === storedCollection)
      .map(({ collection, scope }) => ({ collection, scope })),
  };
}
