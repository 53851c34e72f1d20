import type { AnyCollection } from "../../collections/index.js";

/** An app's collections in each of its releases, which are counted from 1. Most apps that are simulated have one. */
export class Releases {
  readonly #all: readonly (readonly AnyCollection[])[];

  constructor(all: readonly (readonly AnyCollection[])[]) {
    this.#all = all;
  }

  get newest(): number {
    return this.#all.length;
  }

  collections(version: number): readonly AnyCollection[] {
    const found = this.#all[version - 1];
    if (found === undefined) throw new Error(`There is no release ${version} of ${this.newest}.`);
    return found;
  }

  /** @returns undefined: the app does not have it on its devices */
  find(version: number, collection: string): AnyCollection | undefined {
    return this.collections(version).find(({ name }) => name === collection);
  }
}
