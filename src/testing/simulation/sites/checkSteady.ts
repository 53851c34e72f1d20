// What must hold of this app at rest: of its documents it is known what was made of them.
import type { StoredTransaction } from "../../../client/ports/storage.js";
import { Violation } from "../../violation.js";
import type { Answers } from "../observations.js";
import type { Rewritten, Truth } from "../truth.js";
import { tagsOf } from "./checkTab.js";
import { inVersion, newest, plainOperation } from "./releases.js";
import { steadyDocuments } from "./steps.js";

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
    const row = truth.get("sites", id)?.row ?? null;
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
