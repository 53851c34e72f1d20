import { migrationOf } from "../collections/index.js";
import { applyBlob, authorUpdate, encodeSnapshot, openDocument } from "../shared/document.js";
import { readMain } from "../shared/mainDocument.js";
import type { Operation } from "../shared/operations.js";
import { isStateEntry, startCursor, type PushOutcome } from "../shared/wire.js";
import { places, type VersionedApp } from "./versionedApp.js";

/** A client by hand, of one release of the app: it authors on what it has pulled, or on what it wrote itself, of "x". */
export class VersionedDevice {
  readonly version: number;
  readonly #app: VersionedApp;
  readonly #author: number;
  #doc = openDocument([]);
  #sent = 0;

  constructor(app: VersionedApp, version: number, author: number) {
    this.#app = app;
    this.version = version;
    this.#author = author;
  }

  async pull(): Promise<this> {
    const page = await this.#app.t.query(this.#app.api.pull, {
      collection: "places",
      scope: "",
      cursor: startCursor,
    });
    if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
    this.#doc = openDocument([]);
    for (const entry of page.entries)
      if (isStateEntry(entry)) applyBlob(this.#doc, new Uint8Array(entry.bytes));
    return this;
  }

  get state() {
    return readMain(this.#doc);
  }

  /** @returns null if it changes nothing */
  async write(
    operations: readonly Operation[],
    schemaVersion = this.version,
  ): Promise<(PushOutcome & { code?: string }) | null> {
    const migration = migrationOf(places[this.version]!, "x", this.state, operations);
    const before = encodeSnapshot(this.#doc);
    const update = authorUpdate(this.#doc, this.#author, operations, migration);
    if (update === null) {
      this.#doc = openDocument([before]);
      return null;
    }
    const sequence = this.#sent++;
    const operation = {
      collection: "places",
      document: "x",
      part: "",
      schemaVersion,
      bytes: update.bytes.buffer,
    };
    const result = await this.#app.push({
      client: `client${this.#author}`,
      epochs: {},
      settledBelow: 0,
      transactions: [{ ids: [`${this.#author}-${sequence}`], sequence, operations: [operation] }],
    });
    if (result.type !== "results") throw new Error(result.reason);
    return result.results[0]!;
  }
}
