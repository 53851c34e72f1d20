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
  return deviceStorage()?.getItem(keyOf(name)) ?? null;
}

export function rememberUser(name: string, user: string | null): void {
  try {
    if (user === null) deviceStorage()?.removeItem(keyOf(name));
    else deviceStorage()?.setItem(keyOf(name), user);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // full: a convenience, the data itself is stored elsewhere
  }
}

/** Null where there is none, or where the user does not allow it. */
function deviceStorage(): Storage | null {
  try {
    return (globalThis as { localStorage?: Storage }).localStorage ?? null;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
