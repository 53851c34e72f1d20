import { ReplicaError } from "../base/errors.js";

/** Does `work`; what a browser throws becomes a coded error. */
export async function inStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DOMException ? toStorageError(error) : error;
  }
}

export function toStorageError(cause: DOMException | null): ReplicaError {
  switch (cause?.name) {
    case "QuotaExceededError":
      return new ReplicaError(
        "storage_full",
        "The browser's storage is full: this write is not stored. Free some space and retry it.",
        { cause },
      );
    case "VersionError":
      return newerVersionError(cause);
    case "DataError":
      return new ReplicaError("storage_corrupt", `The local database cannot be read: ${cause.message}`, {
        cause,
      });
    default:
      return new ReplicaError(
        "storage_unavailable",
        `The browser's storage cannot be used: ${cause?.message ?? "unknown reason"}`,
        { cause },
      );
  }
}

/** This tab runs an older version of the app than the one that wrote, or wants to write, the database. */
export function newerVersionError(cause?: unknown): ReplicaError {
  return new ReplicaError(
    "storage_unavailable",
    "A newer version of this app uses the local database, in another tab or since the last visit: reload the page.",
    { cause },
  );
}
