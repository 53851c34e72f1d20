const keyOf = (name: string) => `convex-replicate user ${JSON.stringify(name)}`;

/**
 * Who used the local database of this name last on this device: to show their data at a cold start offline, before the
 * auth provider can say who is signed in. Null: nobody, somebody anonymous, or a device that does not remember.
 *
 * @example
 * ```ts
 * const user = auth.isLoading ? lastUser("fieldbook") : auth.userId;
 * ```
 */
export function lastUser(name: string): string | null {
  return onDevice((storage) => storage.getItem(keyOf(name)));
}

export function rememberUser(name: string, user: string | null): void {
  onDevice((storage) =>
    user === null ? storage.removeItem(keyOf(name)) : storage.setItem(keyOf(name), user),
  );
}

/** Null where there is no such storage, or it is full, or the user does not allow it: it is a convenience. */
function onDevice<T>(work: (storage: Storage) => T): T | null {
  try {
    const storage = (globalThis as { localStorage?: Storage }).localStorage;
    return storage === undefined ? null : work(storage);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
