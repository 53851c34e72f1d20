import type { StoredChange } from "../../../client/ports/storage.js";
import type { Answers } from "../observations.js";
import { isSteady } from "./changes.js";
import type { SteadyLedger } from "./checkTab.js";

export interface Entry {
  readonly document: string;
  readonly visits: number;
  readonly tags: readonly string[];
}

/** What was made of steady documents, by whom, and what became of it. */
export class Ledger implements SteadyLedger {
  readonly fallenTags = new Set<string>();
  readonly fallenVisits = new Set<string>();
  /** Tags that one transaction has put on both documents. */
  readonly groups = new Set<string>();
  readonly #byTransaction = new Map<string, readonly Entry[]>();
  /** What the server has written by itself, and which of it no restored backup has taken back. */
  readonly #byServer: Entry[] = [];
  #standing: Entry[] = [];

  /** By a tab. */
  note(transaction: string, changes: readonly StoredChange[]): void {
    const entries = entriesOf(changes);
    this.#byTransaction.set(transaction, entries);
    this.#noteGroup(entries);
  }

  noteServer(changes: readonly StoredChange[]): void {
    const entries = entriesOf(changes);
    this.#byServer.push(...entries);
    this.#standing.push(...entries);
    this.#noteGroup(entries);
  }

  /** It has failed, was never stored, or was undone. */
  noteFallen(transaction: string): void {
    for (const entry of this.#byTransaction.get(transaction) ?? []) this.#noteFallen(entry);
  }

  /** What the server has written by itself, to be given to {@link Ledger.restore}. */
  get standing(): readonly Entry[] {
    return [...this.#standing];
  }

  /** A backup was restored. @param undone transactions that had been applied, and are not in it */
  restore(standing: readonly Entry[], undone: Iterable<string>): void {
    for (const entry of this.#standing) if (!standing.includes(entry)) this.#noteFallen(entry);
    this.#standing = [...standing];
    for (const transaction of undone) this.noteFallen(transaction);
  }

  #noteFallen({ document, visits, tags }: Entry): void {
    for (const tag of tags) this.fallenTags.add(tag);
    if (visits !== 0) this.fallenVisits.add(document);
  }

  visitsOf(document: string): number {
    return sum([...this.#byTransaction.values(), this.#byServer].flat(), document);
  }

  /** What the server must have, by what it has said that it has applied. */
  applied(document: string, answers: Answers): { visits: number; tags: Set<string> } {
    const applied = [...this.#byTransaction].flatMap(([id, entries]) =>
      answers.isApplied(id) ? entries : [],
    );
    const entries = [...applied, ...this.#standing];
    const own = entries.filter((entry) => entry.document === document);
    return { visits: sum(entries, document), tags: new Set(own.flatMap(({ tags }) => tags)) };
  }

  #noteGroup(entries: readonly Entry[]): void {
    for (const { document, tags } of entries)
      for (const tag of tags)
        if (entries.some((other) => other.document !== document && other.tags.includes(tag)))
          this.groups.add(tag);
  }
}

function sum(entries: readonly Entry[], document: string): number {
  return entries.reduce((all, entry) => all + (entry.document === document ? entry.visits : 0), 0);
}

function entriesOf(changes: readonly StoredChange[]): Entry[] {
  return changes.flatMap(({ id, operations }) => {
    if (!isSteady(id)) return [];
    return operations.map((operation) => ({
      document: id,
      visits: operation.type === "increment" ? operation.by : 0,
      tags: operation.type === "add" ? [operation.member as string] : [],
    }));
  });
}
