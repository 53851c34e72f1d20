import { unknownSpace, type StorageSpace } from "../ports/storageSpace.js";

/** What of `navigator.storage` is used. */
type StorageManagerLike = Pick<StorageManager, "estimate" | "persisted" | "persist">;

/** Tells what the browser's storage manager tells; nothing where there is none, as without https. */
export function browserSpace(
  manager: StorageManagerLike | undefined = globalThis.navigator?.storage,
): StorageSpace {
  if (manager === undefined) return unknownSpace;
  return {
    async measure() {
      const [{ usage, quota }, isPersisted] = await Promise.all([manager.estimate(), manager.persisted()]);
      if (usage === undefined || quota === undefined) return null;
      return { usedBytes: usage, quotaBytes: quota, isPersisted };
    },
    async requestPersistence() {
      if (!(await manager.persisted())) await manager.persist();
    },
  };
}
