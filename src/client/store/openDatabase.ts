import { openDB } from "idb";
import { ReplicaError } from "../base/errors.js";
import type { Clock } from "../ports/clock.js";
import { newerVersionError } from "./indexedDbErrors.js";
import { formatVersion, migrate, type Database, type Schema } from "./indexedDbSchema.js";

/** A tab that is asked to let go of a database does so at once, unless it is frozen or of before it could be asked. */
const blockedMs = 5000;

/**
 * Opens a database, brought into this version's format.
 *
 * @param onLost - called when the connection was closed, but by the caller
 * @throws DOMException, or ReplicaError `storage_unavailable` if a tab with an older version keeps it
 */
export async function openDatabase(
  name: string,
  clock: Clock,
  onLost: (error: ReplicaError) => void,
): Promise<Database> {
  let fault: unknown = null;
  let giveUp = (_error: ReplicaError) => {};
  let stopWaiting = () => {};
  const givenUp = new Promise<never>((_resolve, reject) => (giveUp = reject));
  const opening = openDB<Schema>(name, formatVersion, {
    upgrade(_db, from, _to, tx) {
      tx.done.catch(() => {}); // whatever ends it ends the opening
      migrate(tx, from).catch((error: unknown) => {
        fault ??= error; // rather than the AbortError that follows
        tx.abort();
      });
    },
    blocked() {
      stopWaiting = clock.setTimer(() => giveUp(blockedError()), blockedMs);
    },
    blocking(_current, wanted, event) {
      (event.target as IDBDatabase).close(); // in the other's way, this tab would block it for ever
      onLost(wanted === null ? removedError() : newerVersionError());
    },
    terminated: () => onLost(takenAwayError()),
  });
  try {
    return await Promise.race([opening, givenUp]);
  } catch (error) {
    opening.then((db) => db.close()).catch(() => {}); // too late: nobody waits for it any more
    throw fault ?? error;
  } finally {
    stopWaiting();
  }
}

function blockedError(): ReplicaError {
  return new ReplicaError(
    "storage_unavailable",
    "Another tab has an older version of this app open, and does not let go of the local database: close it, then reload.",
  );
}

function removedError(): ReplicaError {
  return new ReplicaError("closed", "The local data was removed, in another tab: reload the page.");
}

function takenAwayError(): ReplicaError {
  return new ReplicaError(
    "storage_unavailable",
    "The browser has closed the local database, as it does when site data is cleared, or the disk is full: reload the page.",
  );
}
