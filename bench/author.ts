import type { Value } from "convex/values";
import { projectRow } from "../src/collections/index.js";
import { applyBlob, authorUpdate, openDocument } from "../src/shared/document.js";
import { readMain } from "../src/shared/mainDocument.js";
import type { Operation } from "../src/shared/operations.js";
import { authorText } from "../src/shared/partDocument.js";
import { sites } from "../src/testing/fieldApp.js";
import { scope as defaultScope, type Edit } from "./design.js";

const textField = "log";

/** A client's documents, whatever the server: what it changes, it changes as ours does. */
export class Author {
  readonly client: string;
  readonly #number: number;
  readonly #docs = new Map<string, ReturnType<typeof openDocument>>();
  #sequence = 0;

  constructor(number: number) {
    this.#number = 1000 + number;
    this.client = `client${number}`;
  }

  nextSequence(): number {
    return this.#sequence++;
  }

  /** Takes in what another one made. */
  learn({ document, bytes }: Edit): void {
    applyBlob(this.#doc(document), bytes);
  }

  insert(document: string, scope = defaultScope): Edit {
    const fields = { name: `Site ${document}`, country: scope, status: "open", note: "nothing yet" };
    return this.change(document, [{ type: "insert", fields }]);
  }

  set(document: string, field: string, value: Value): Edit {
    return this.change(document, [{ type: "set", field, value }]);
  }

  /** @throws Error if the operations change nothing */
  change(document: string, operations: readonly Operation[]): Edit {
    const doc = this.#doc(document);
    const update = authorUpdate(doc, this.#number, operations);
    const row = projectRow(sites, document, readMain(doc));
    if (update === null || row === null) throw new Error("These operations change nothing.");
    const isInsert = operations.some(({ type }) => type === "insert");
    return { document, part: "", scope: row["country"] as string, bytes: update.bytes, row, isInsert };
  }

  /** Types at the end of what it has typed before. */
  type(document: string, words: string): Edit {
    const text = this.#doc(`${document}#${textField}`);
    const bytes = authorText(text, this.#number, (content) => content.insert(content.length, words));
    const row = projectRow(sites, document, readMain(this.#doc(document)));
    if (bytes === null || row === null) throw new Error("There is no such document.");
    return { document, part: textField, scope: row["country"] as string, bytes, row, isInsert: false };
  }

  #doc(document: string) {
    const doc = this.#docs.get(document) ?? openDocument([]);
    this.#docs.set(document, doc);
    return doc;
  }
}
