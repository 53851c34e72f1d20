import type { AnyCollection } from "../collections/index.js";
import type { Subscription, Transaction } from "../client/base/types.js";
import type { TestProfile } from "./testReplica.js";
import { TestWorld, type OpenTab } from "./testWorld.js";
import { places, type PlaceDraft, type VersionedApp } from "./versionedApp.js";

/** A client's collection of whatever version. */
interface Places {
  get(id: string): Record<string, unknown> | undefined;
  rows(): Iterable<Record<string, unknown> & { readonly id: string }>;
  insert(row: { readonly id: string } & Record<string, unknown>): Transaction;
  update(id: string, change: (draft: PlaceDraft) => void): Transaction;
  delete(id: string): Transaction;
  status(id: string): string;
}

export interface PlacesTab extends Omit<OpenTab<readonly [AnyCollection]>, "col"> {
  readonly version: number;
  readonly col: Places;
  readonly subscription: Subscription;
}

/** A world in which the server, and the app in each tab, are of one schema version or another. */
export class PlacesWorld extends TestWorld<VersionedApp> {
  /** A tab that reads all places. @param definition - in place of that of the version */
  openVersion(
    version: number,
    profile?: TestProfile,
    definition: AnyCollection = places[version]!,
  ): PlacesTab {
    const tab = this.open({ collections: [definition], ...(profile && { profile }) });
    const subscription = tab.replica.subscribe(definition);
    return Object.assign(tab as unknown as PlacesTab, { version, subscription });
  }
}
