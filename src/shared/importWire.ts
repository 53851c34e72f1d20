// Imports on the wire: between the app's functions and the component, and to whoever shows how far a job is.
import { v, type Infer } from "convex/values";

/** Rows of one chunk: a JSON array of rows in Convex's JSON, sets as arrays. As text it is one value, however deep. */
const vRows = v.string();

/** What is staged of a job's rows at a time; one transaction takes all of it in, as a rule. */
export const vImportChunk = v.object({ count: v.number(), rows: vRows });
export type ImportChunk = Infer<typeof vImportChunk>;

export const vImportFailure = v.object({ id: v.string(), code: v.string(), message: v.string() });
export type ImportFailure = Infer<typeof vImportFailure>;

export const vImportedScope = v.object({ scope: v.string(), documents: v.number() });
export type ImportedScope = Infer<typeof vImportedScope>;

/** What the component asks of `maintain`: to take in the first of these rows, as many as fit the transaction. */
export const vImportWork = v.object({
  type: v.literal("import"),
  rows: vRows,
  from: v.number(),
  to: v.number(),
});
export type ImportWork = Infer<typeof vImportWork>;

export const vImportWorkResult = v.object({
  type: v.literal("import"),
  /** So many, from `from` on, have been seen to. */
  done: v.number(),
  scopes: v.array(vImportedScope),
  failed: v.array(vImportFailure),
});
export type ImportWorkResult = Infer<typeof vImportWorkResult>;

/**
 * `staging`: it was told that more rows will come. `running`: all its rows are staged. `done`, `cancelled`: nothing
 * happens any more.
 */
export const vImportState = v.union(
  v.literal("staging"),
  v.literal("running"),
  v.literal("done"),
  v.literal("cancelled"),
);

export const vImportJob = v.object({
  collection: v.string(),
  state: vImportState,
  /** Rows that were given to the job. */
  total: v.number(),
  /** Of these: documents that have arrived. */
  done: v.number(),
  /** Rows that were refused. What is in neither number is still to come; of a cancelled job it never does. */
  failed: v.number(),
  /** The first of those that were refused. */
  failures: v.array(vImportFailure),
  /** Where the documents have arrived; the first scopes of very many. */
  scopes: v.array(vImportedScope),
  startedAt: v.number(),
  /** Once nothing happens any more, and all is announced; times in ms since 1970. */
  finishedAt: v.optional(v.number()),
});
export type ImportJob = Infer<typeof vImportJob>;
