const KIB = 1024;
const MIB = 1024 * KIB;

/** Bounds of every list and size on the wire and in the tables, each with its reason. */
export const limits = {
  /** A scope's main documents are all loaded by a client, and merged on every push that touches them. */
  mainDocumentBytes: 256 * KIB,
  /** Convex stores at most 1 MiB in a row; half of it leaves room for the other fields and two per page. */
  chunkBytes: 512 * KIB,
  /** One push must fit Convex's 16 MiB of writes with its rows, receipts and indexes beside it. */
  transactionOperations: 128,
  transactionBytes: 4 * MIB,
  pushTransactions: 100,
  pushOperations: 500,
  pushBytes: 1 * MIB,
  /** Local transactions coalesced into one push: each has a receipt, and Convex reads 4,096 index ranges a call. */
  pushReceipts: 1000,
  /** What one push may load to merge into: half of Convex's 16 MiB of reads, the rest is the app's. */
  pushStateBytes: 8 * MIB,
  insertMany: 500,
  /** A page is one Convex call: small enough to decode within a frame or two, large enough to be few. */
  pageEntries: 256,
  pageBytes: 1 * MIB,
  /** From here a push asks for compaction; above `compactInPlace` it compacts before it appends. */
  compactDeltas: 32,
  compactInPlaceDeltas: 128,
  /** A document is compacted in place before it has more deltas; twice that is read, so none is ever cut off. */
  stateDeltas: 256,
  stateChunks: 8,
  /** Ids are index keys: Convex's keys are cheap while they are short. */
  idLength: 256,
} as const;
