/** How much of the device this origin uses, and may. */
export interface StorageUse {
  /** As the browser estimates it, for all of the origin. */
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** False: the browser may evict all of it when the device runs short of space. */
  readonly isPersisted: boolean;
}

/** The space that a device has for local data. */
export interface StorageSpace {
  /** @returns null where nobody can tell */
  measure(): Promise<StorageUse | null>;
  /** Asks the browser to evict nothing of it without asking the user. May be refused; to be called once. */
  requestPersistence(): Promise<void>;
}

/** Where there is nothing to ask: Node, and browsers that do not tell. */
export const unknownSpace: StorageSpace = {
  measure: () => Promise.resolve(null),
  requestPersistence: () => Promise.resolve(),
};
