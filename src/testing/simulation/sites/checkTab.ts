// What must hold of what a tab shows, after each event.
import type { PlainRow } from "../../../collections/index.js";
import { Violation } from "../../violation.js";
import type { Tab } from "../tab.js";
import type { Truth } from "../truth.js";
import { sitesOn } from "./changes.js";
import { isNameOf } from "./releases.js";
import { steadyDocuments } from "./steps.js";

/** What a tab last showed of a steady document. */
interface Shown {
  readonly visits: number;
  readonly tags: ReadonlySet<string>;
}

/** What all of a run knows of the changes that were made of steady documents. */
export interface SteadyLedger {
  /** Increments that were ever made, on any device. */
  visitsOf(document: string): number;
  /** Tags whose transaction has failed or was not stored: they go. */
  readonly fallenTags: ReadonlySet<string>;
  /** Documents of which increments were not stored: their visits may fall. */
  readonly fallenVisits: ReadonlySet<string>;
}

/** I-7: no change that was ever shown goes again, none is shown that was not made, and one's own is there at once. */
export class TabCheck {
  readonly #tab: Tab;
  readonly #shown = new Map<string, Shown>();

  constructor(tab: Tab) {
    this.#tab = tab;
  }

  look(ledger: SteadyLedger): void {
    const { name } = this.#tab;
    const sites = sitesOn(this.#tab);
    this.#checkVersion();
    for (const id of steadyDocuments) {
      const row = sites.get(id) as PlainRow | undefined;
      if (row === undefined) {
        this.#shown.delete(id);
        continue;
      }
      const shown = { visits: row["visits"] as number, tags: tagsOf(row) };
      const before = this.#shown.get(id);
      if (before !== undefined) this.#compare(id, before, shown, ledger);
      if (shown.visits > ledger.visitsOf(id))
        throw new Violation(
          "I-7",
          `tab ${name} shows ${shown.visits} visits of "${id}": more than were made`,
        );
      this.#checkOwn(id, shown.tags);
      this.#shown.set(id, shown);
    }
  }

  /** Rows are as the tab's release has them; of documents that a later one has written, as that has them. */
  #checkVersion(): void {
    const { name, version } = this.#tab;
    const sites = sitesOn(this.#tab);
    for (const row of sites.rows())
      if (!isNameOf(version, row.name))
        throw new Violation(
          "I-8",
          `tab ${name} of version ${version} shows "${row.id}" by the name of "${row.name}"`,
        );
  }

  #compare(id: string, before: Shown, shown: Shown, { fallenTags, fallenVisits }: SteadyLedger): void {
    const { name } = this.#tab;
    if (shown.visits < before.visits && !fallenVisits.has(id))
      throw new Violation(
        "I-7",
        `tab ${name}: visits of "${id}" fell from ${before.visits} to ${shown.visits}`,
      );
    for (const tag of before.tags)
      if (!shown.tags.has(tag) && !fallenTags.has(tag))
        throw new Violation("I-7", `tab ${name}: "${tag}" of "${id}" was shown, and is not any more`);
  }

  /** What is pending is part of what is shown. */
  #checkOwn(id: string, tags: ReadonlySet<string>): void {
    for (const transaction of this.#tab.replica.transactions.list()) {
      if (transaction.state === "failed" || transaction.state === "discarded") continue;
      for (const change of transaction.changes)
        for (const operation of change.id === id ? change.operations : [])
          if (operation.type === "add" && !tags.has(operation.member as string))
            throw new Violation(
              "I-7",
              `tab ${this.#tab.name} does not show its own "${String(operation.member)}"`,
            );
    }
  }
}

/**
 * I-6: of a transaction on several documents a tab shows all or nothing, once it has read its scope to the end.
 *
 * @throws Violation
 */
export function checkWholeOnTab(tab: Tab, groups: ReadonlySet<string>): void {
  const half = halfOnTab(tab, groups);
  if (half !== null) throw new Violation("I-6", `tab ${tab.name} shows a half of "${half}"`);
}

/** @returns the tag that is on one document alone */
export function halfOnTab(tab: Tab, groups: ReadonlySet<string>): string | null {
  const [a, b] = steadyDocuments.map((id) => sitesOn(tab).get(id) as PlainRow | undefined);
  if (a === undefined || b === undefined) return null;
  const [inA, inB] = [tagsOf(a), tagsOf(b)];
  return [...groups].find((tag) => inA.has(tag) !== inB.has(tag)) ?? null;
}

/** I-6: of a transaction on several documents the server holds all or nothing. */
export function checkWhole(truth: Truth, groups: ReadonlySet<string>): void {
  const [a, b] = steadyDocuments.map((id) => tagsOf(truth.get("sites", id)?.row));
  for (const tag of groups)
    if (a?.has(tag) !== b?.has(tag)) throw new Violation("I-6", `the server holds a half of "${tag}"`);
}

export function tagsOf(row: PlainRow | null | undefined): ReadonlySet<string> {
  return new Set((row?.["tags"] ?? []) as string[]);
}
