import type { Document } from "./engine.js";
import type { Reader } from "./execution.js";
import { isMet } from "./filter.js";
import type { OperatorJson, QueryPlan } from "./queryPlan.js";

/** What a query finds, one document after the other, as the function asks for them. */
export class QueryStream {
  readonly #documents: Iterator<Document, void, undefined>;

  readonly #toUser: (document: Document) => Document;
  /** How often it was asked for the next one. */
  taken = 0;

  /** @param noteRead is told of each document that is looked at, also of those that a filter leaves out */
  constructor(
    reader: Reader,
    key: string,
    plan: QueryPlan,
    noteRead: (document: Document) => void,
    toUser: (document: Document) => Document,
  ) {
    this.#toUser = toUser;
    const { index, interval, order, operators } = plan;
    const read = (function* () {
      for (const [, document] of reader.scan(key, index, interval, order)) {
        noteRead(document);
        yield document;
      }
    })();
    this.#documents = operators.reduce(apply, read)[Symbol.iterator]();
  }

  /** @returns null at the end */
  next(): Document | null {
    this.taken += 1;
    const { value, done } = this.#documents.next();
    return done || value === undefined ? null : this.#toUser(value);
  }

  /** What was not read, the function does not depend on. */
  close(): void {
    this.#documents.return?.();
  }
}

function apply(documents: Generator<Document, void>, operator: OperatorJson): Generator<Document, void> {
  return "limit" in operator ? take(documents, operator.limit) : filter(documents, operator.filter);
}

function* take(documents: Generator<Document, void>, limit: number): Generator<Document, void> {
  let left = limit;
  if (left === 0) return;
  for (const document of documents) {
    yield document;
    if (--left === 0) return; // which ends what it takes from too
  }
}

function* filter(
  documents: Generator<Document, void>,
  expression: Parameters<typeof isMet>[0],
): Generator<Document, void> {
  for (const document of documents) if (isMet(expression, document)) yield document;
}
