import type { FunctionArgs } from "convex/server";
import { applyBlob, authorUpdate, openDocument } from "../shared/document.js";
import type { Operation } from "../shared/operations.js";
import { authorText, plainText } from "../shared/partDocument.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import {
  isStateEntry,
  startCursor,
  startOfPart,
  type Cursor,
  type PushArgs,
  type PushOperation,
  type PushTransaction,
} from "../shared/wire.js";
import type { ServerApp } from "./serverApp.js";

type Caller = Pick<ServerApp["t"], "mutation" | "query">;

/** A client by hand: authors updates on what it has pulled or made itself, and sends them in whatever order. */
export class PushDevice {
  readonly client: string;
  author: number;
  readonly #app: ServerApp;
  readonly #caller: Caller;
  readonly #docs = new Map<string, ReturnType<typeof openDocument>>();
  #cursor: Cursor = startCursor;
  #transactions = 0;

  /** @param caller - as whom it calls; omitted: anonymously */
  constructor(app: ServerApp, author: number, client = `client${author}`, caller: Caller = app.t) {
    this.#app = app;
    this.author = author;
    this.client = client;
    this.#caller = caller;
  }

  /** A device that has made these documents, which are on the server. */
  static async holding(app: ServerApp, ...documents: readonly string[]): Promise<PushDevice> {
    const device = new PushDevice(app, 11);
    await device.send(...documents.map((document) => device.insert(document)));
    return device;
  }

  doc(document: string, collection = "sites") {
    const key = `${collection}/${document}`;
    const doc = this.#docs.get(key) ?? openDocument([]);
    this.#docs.set(key, doc);
    return doc;
  }

  /** Holds nothing of the document any more, and never uses its clocks again. */
  forget(document: string, collection = "sites"): void {
    this.#docs.delete(`${collection}/${document}`);
    this.author += 1;
  }

  /** Makes a change here. @throws if it changes nothing */
  change(document: string, operations: readonly Operation[], collection = "sites"): PushOperation {
    const update = authorUpdate(this.doc(document, collection), this.author, operations);
    if (update === null) throw new Error("These operations change nothing.");
    return { collection, document, part: "", schemaVersion: 1, bytes: update.bytes.buffer };
  }

  insert(document: string, fields: Record<string, string> = {}): PushOperation {
    return this.change(document, [
      { type: "insert", fields: { name: "n", country: "DE", status: "open", ...fields } },
    ]);
  }

  set(document: string, field: string, value: string): PushOperation {
    return this.change(document, [{ type: "set", field, value }]);
  }

  /** Makes a change of a text here. @throws if it changes nothing */
  type(
    document: string,
    edit: (text: {
      insert(at: number, text: string): void;
      delete(at: number, length: number): void;
      readonly length: number;
    }) => void,
    part = "log",
  ): PushOperation {
    const update = authorText(this.doc(`${document}#${part}`), this.author, edit);
    if (update === null) throw new Error("This changes nothing.");
    return { collection: "sites", document, part, schemaVersion: 1, bytes: update.buffer };
  }

  /** Takes in what others have typed. @returns its plain text */
  async pullPart(document: string, part = "log"): Promise<string> {
    const doc = this.doc(`${document}#${part}`);
    for (let [cursor, done] = [startOfPart, false]; !done;) {
      const args = { collection: "sites", document, part, cursor };
      const page = await this.#caller.query(this.#app.api.pullPart!, args);
      if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
      for (const { bytes } of page.entries) applyBlob(doc, new Uint8Array(bytes));
      [cursor, done] = [page.cursor, page.done];
    }
    return plainText(doc);
  }

  transaction(operations: readonly PushOperation[], ids?: readonly string[]): PushTransaction {
    const sequence = this.#transactions++;
    return {
      ids: [...(ids ?? [`${this.client}-${sequence}`])],
      sequence,
      operations: [...operations],
    };
  }

  toArgs(transactions: readonly PushTransaction[], others: Partial<PushArgs> = {}): PushArgs {
    return { client: this.client, epochs: {}, settledBelow: 0, transactions: [...transactions], ...others };
  }

  /** @throws what the server throws; `refused` is an error too */
  async push(transactions: readonly PushTransaction[], others: Partial<PushArgs> = {}) {
    const args: FunctionArgs<ReplicaApi["push"]> = this.toArgs(transactions, others);
    const result = await this.#caller.mutation(this.#app.api.push, args);
    if (result.type !== "results") throw new Error(`The push was refused: ${result.reason}.`);
    return result.results;
  }

  /** Pushes one transaction per operation. */
  send(...operations: readonly PushOperation[]) {
    return this.push(operations.map((operation) => this.transaction([operation])));
  }

  /** Takes in what others have made in scope `DE`. */
  async pull(scope = "DE"): Promise<void> {
    for (let done = false; !done;) {
      const page = await this.#caller.query(this.#app.api.pull, {
        collection: "sites",
        scope,
        cursor: this.#cursor,
      });
      if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
      for (const entry of page.entries)
        if (entry.type === "leave") this.#docs.delete(`sites/${entry.document}`);
        else if (isStateEntry(entry)) applyBlob(this.doc(entry.document), new Uint8Array(entry.bytes));
      this.#cursor = page.cursor;
      done = page.done;
    }
  }
}

/** The coded data that a call is refused with. @throws if it is not refused, or without a code */
export async function refusalOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await call.then(
    () => new Error("The call was not refused."),
    (reason: unknown) => reason as Error & { data?: unknown },
  );
  const data = "data" in error ? error.data : undefined;
  if (typeof data === "object" && data !== null && "code" in data)
    return data as { code: string; message: string };
  throw error;
}
