// Imports: rows on their way to becoming documents. No push reads or writes any of this.
import { defineTable } from "convex/server";
import { v } from "convex/values";
import { vImportedScope, vImportFailure, vImportState } from "../shared/importWire.js";

export const importTables = {
  // A job. Written when rows are staged, when it is cancelled, and by its collector, one transaction after the other: no
  // chunk reads or writes it, so that chunks are taken in beside each other. Read by who shows its progress. Deleted a
  // week after its end.
  imports: defineTable({
    collection: v.string(),
    state: vImportState,
    total: v.number(),
    done: v.number(),
    failed: v.number(),
    failures: v.array(vImportFailure),
    startedAt: v.number(),
    finishedAt: v.optional(v.number()),
    /** Which run of the collector counts: another one that is still scheduled ends. */
    round: v.number(),
    /** Absent: all that was staged has been collected, and more is to come. */
    collecting: v.optional(v.boolean()),
    /** When something was last collected, in ms since 1970. */
    movedAt: v.number(),
    /** A cancelled job: its chunks are gone. */
    dropped: v.optional(v.boolean()),
  }).index("by_finishedAt", ["finishedAt", "movedAt"]),

  // Rows that are still to be taken in. Written when they are staged, and by the transaction that takes some of them in
  // and leaves others; deleted by the one that takes in the last. Its rows stand in `importRows`.
  importChunks: defineTable({
    job: v.id("imports"),
    collection: v.string(),
    /** Handle of the app's `maintain`. */
    maintain: v.string(),
    rows: v.id("importRows"),
    count: v.number(),
    /** So many have been taken in, or refused. */
    position: v.number(),
    /** So many are tried at once: fewer after a failure, in the end one, so that only what fails is left out (I-15). */
    batch: v.number(),
  }).index("by_job", ["job"]),

  // The rows of a chunk, apart from it so that they are not written again with its position.
  importRows: defineTable({ rows: v.string() }),

  // What became of rows: one entry by each transaction that took some in, read and deleted by the job's collector. And,
  // by its `ts`, how that very transaction knows that it is an import (see loadOwn).
  importResults: defineTable({
    job: v.id("imports"),
    ts: v.commitTs(),
    done: v.number(),
    failed: v.number(),
    failures: v.array(vImportFailure),
    scopes: v.array(vImportedScope),
  })
    .index("by_job", ["job"])
    .index("by_ts", ["ts"]),

  // How many documents of a job have arrived in a scope. Written by its collector. Read by the same, which announces
  // each, and by who shows the job. Deleted with it.
  importScopes: defineTable({
    job: v.id("imports"),
    scope: v.string(),
    documents: v.number(),
    /** What its end was announced with. */
    announcement: v.optional(v.id("announcements")),
  })
    .index("by_scope", ["job", "scope"])
    .index("by_announcement", ["job", "announcement"]),
};
