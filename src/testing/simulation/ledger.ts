import type { StoredChange } from "../../client/ports/storage.js";
import type { Answers } from "./observations.js";
import { isSteady } from "./changes.js";
import type { SteadyLedger } from "./checkTab.js";

interface Entry {
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
  readonly #byServer: Entry[] = [];

  /** By a tab. */
  note(transaction: string, changes: readonly StoredChange[]): void {
    const entries = entriesOf(changes);
    this.#byTransaction.set(transaction, entries);
    this.#noteGroup(entries);
  }

  noteServer(changes: readonly StoredChange[]): void {
    const entries = entriesOf(changes);
    this.#byServer.push(...entries);
    this.#noteGroup(entries);
  }

  /** It has failed, or was never stored. */
  noteFallen(transaction: string): void {
    for (const { document, visits, tags } of this.#byTransaction.get(transaction) ?? []) {
      for (const tag of tags) this.fallenTags.add(tag);
      if (visits !== 0) this.fallenVisits.add(document);
    }
  }

  visitsOf(document: string): number {
    return sum([...this.#byTransaction.values(), this.#byServer].flat(), document);
  }

  /** What the server must have, by what it has said that it has applied. */
  applied(document: string, answers: Answers): { visits: number; tags: Set<string> } {
    const applied = [...this.#byTransaction].flatMap(([id, entries]) =>
      answers.isApplied(id) ? entries : [],
    );
    const entries = [...applied, ...this.#byServer];
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
