/** Every code that a refusal or a client fault can carry. Codes are compared, message texts never. */
export const errorCodes = [
  "denied",
  "exists",
  "invalid_row",
  "invalid_update",
  "too_large",
  "unknown_collection",
  "unknown_document",
  "unknown_version",
  "schema_too_new",
  "invalid_cursor",
  "client_taken",
  "client_retired",
  "pending_writes",
  "storage_unavailable",
  "storage_full",
  "storage_corrupt",
  "closed",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** The `data` of a `ConvexError` that ends a call, and the reason kept with a failed transaction. */
export type Refusal = { readonly code: ErrorCode; readonly message: string };

/** Whether `data` (of any origin: a thrown error's `data`, a stored record) is a {@link Refusal}. */
export function isRefusal(data: unknown): data is Refusal {
  if (typeof data !== "object" || data === null) return false;
  const { code, message } = data as Record<string, unknown>;
  return typeof message === "string" && (errorCodes as readonly unknown[]).includes(code);
}
