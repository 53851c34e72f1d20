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
  /** The same as rows: a quarter of the 32,000 that Convex reads a call, for they may be read twice. */
  pushStateRows: 8000,
  /** Yjs ids in one push, each looked up. A client has one, and another after each update that came to nothing. */
  pushAuthors: 100,
  /** Also how many epochs a push may tell. */
  collections: 1000,
  /** An update is one row, and one update of a document of 256 KiB is never honestly larger. */
  updateBytes: 512 * KIB,
  insertMany: 500,
  /** Ids in one `status` call, each looked up. */
  statusTransactions: 1000,
  /** Of Convex's 1 MiB a row; the rest is for the app's own fields in it. */
  rowBytes: 768 * KIB,
  /** Convex's own: 8,192 elements, 1,024 fields, 64 levels (less those around the value). */
  arrayLength: 8192,
  objectFields: 1024,
  valueDepth: 60,
  /** Attempts that a transaction remembers, the last ones: at 5 minutes between them more than an hour. */
  keptAttempts: 16,
  /** A transaction that fails alone, while the server does all else, is given up after so many tries: half a minute. */
  retryAttempts: 5,
  /** A refusal quotes what was sent, and is stored with the receipt. */
  messageLength: 1000,
  /** Scopes that a client brings up to date at once: the first that are asked for are there soon, however many there are. */
  scopesReadAtOnce: 8,
  /** Parts that a client reads in advance at once: each is a call, and none may be in the way of what somebody waits for. */
  partsReadAtOnce: 4,
  /** A page is one Convex call: small enough to decode within a frame or two, large enough to be few. */
  pageEntries: 256,
  pageBytes: 1 * MIB,
  /** Of a catch-up so much is stored as one: some 100 ms of a computer's time, and what is lost if a tab dies before it. */
  catchUpEntries: 4_096,
  catchUpBytes: 8 * MIB,
  /**
   * Encoded: of a text as people write it that takes half of Convex's 1 s and 64 MiB to compact (`bench -- parts`).
   * Who writes while nobody has noticed yet that it is full goes past it, which the other half is for.
   */
  partBytes: 2 * MIB,
  /** The same of the pieces that it is made of, however well they are encoded: each takes 250 bytes of heap. */
  partPieces: 160_000,
  /** One update of a part in pieces, inserted and deleted: four papers, with all that was ever changed in them. */
  partUpdatePieces: 40_000,
  /** What is stored of a part, to be opened in one call: a full part and the largest update. A larger one stays as it is. */
  partStateBytes: 4 * MIB,
  /** The same of the pieces in its snapshot. */
  partStatePieces: 200_000,
  /** What is kept of a part's plain text for the app's functions: to search and to show, not to edit. */
  textBytes: 64 * KIB,
  /** What lists show of a part. */
  previewCharacters: 140,
  /** Those who read a scope are told of a part at most so often: a preview a few seconds late harms nobody. */
  announceMs: 5000,
  /** A large part is read more seldom while it is being written: this much a second, 2 MiB every half minute, */
  announceBytesASecond: 64 * KIB,
  /** but at once when so much is written to it at a time: it may be full. */
  announceChangeBytes: 64 * KIB,
  /** Texts of one document: more than anybody defines, and twice over where it was deleted and inserted again. */
  documentParts: 64,
  /** Authors in one update of a part: a day offline in a few tabs, each of which writes under an id of its own. */
  partAuthors: 32,
  /** From here a push asks for compaction; above the second it compacts before it appends (see compaction.ts). */
  compactDeltas: 32,
  compactBytes: 16 * KIB,
  compactInPlaceDeltas: 128,
  /** A main document has at most 128 of these: it is parts that this is about. */
  compactBytesADelta: 2 * KIB,
  compactInPlaceBytes: 1 * MIB,
  /** Documents compacted in place by one push, those with most deltas: each is read once more. */
  compactionsInPlace: 8,
  /** Who has a document open meets each compaction of it once more: it waits until that long after the last change, */
  compactQuietMs: 60_000,
  /** then for those who are behind, who are looked at again as often as they tell, */
  compactPassMs: 20_000,
  /** and never longer than this. */
  compactLatestMs: 10 * 60_000,
  /** A compaction that failed will most likely fail again: it is tried once an hour, then ever more seldom. */
  compactRetryMs: 60 * 60_000,
  compactRetryMostMs: 24 * 60 * 60_000,
  /** A job of the workpool ends within minutes; one that has not after this long was lost, in a restored backup say. */
  compactLostMs: 60 * 60_000,
  /** Writes to one document in one mutation of the app's: each reads those before it. */
  ownDeltas: 128,
  /** What is read of a document: all it can have, as it is compacted in place long before. */
  stateDeltas: 512,
  /**
   * The same of a part, which nobody compacts in place: what one compaction takes. Each is a row deleted, and where
   * history is kept one read before, of the 4,096 that Convex counts as index ranges.
   */
  partDeltas: 1500,
  /** The same in bytes, unless the first delta has more: an eighth of what a part's compaction may take. */
  partDeltaBytes: 512 * KIB,
  /** Deltas that are read beside a snapshot: half of Convex's 16 MiB of reads, for they may be read twice. */
  stateBytes: 8 * MIB,
  /** 8 MiB: twice what is ever opened. */
  stateChunks: 16,
  /** Documents that one mutation of the app's moves to another scope: as many as it can insert, and twice over. */
  movesOfOne: 1000,
  /** Who was away longer reads its scopes anew. A day of slack over what apps call offline for a month. */
  leavesKeptMs: 31 * 24 * 60 * 60 * 1000,
  /** What is deleted of a dropped part in one transaction: each row is read, and they may be large. */
  droppedRows: 1000,
  droppedBytes: 6 * MIB,
  /** Leaves of one document in one scope: one by its move, and one by each purge of an earlier document of its id. */
  leavesOfOne: 64,
  /** Leaves pruned in one transaction: each is a row deleted, and at most one more read and written. */
  leavesPruned: 1000,
  /** A tab that dies without a word is seen for two and a half of these; half as long would double the calls. */
  heartbeatMs: 20_000,
  /** Two heartbeats may be lost or late. */
  sessionDeadlineMs: 50_000,
  /** Tabs of one client and user: more than anybody has open. Read when another one joins. */
  clientSessions: 64,
  /** What a session tells of how far it has read: a row that is written at each heartbeat stays small. */
  sessionCursors: 32,
  /** Sessions removed by one wake-up, a scheduled call each: with all the cursors they may have they are 5 MiB. */
  sweptSessions: 100,
  /** Sessions that are looked at to see who reads, and what is read of them. Beyond these it is not known exactly. */
  countedSessions: 1000,
  countedBytes: 4 * MIB,
  /** Between two wake-ups at least: while sessions end one after the other, one takes those of this time together. */
  sweepPauseMs: 2000,
  /** Sessions that stand so long after their deadline show that nobody removes them. */
  sleeperLateMs: 10 * 60 * 1000,
  /** A cursor, a selection, a name, a colour; read by all who watch, at each change of one of them. */
  presenceBytes: 4 * KIB,
  /** Documents that one session is shown in: it has them open. All are deleted with it. */
  presenceDocuments: 32,
  /** Sessions shown in one document: with the largest states they are 1 MiB, which is one Convex call. */
  presenceShown: 256,
  /** Changes that the follower reads in one transaction: with the rows of their documents a fraction of 16 MiB. */
  followedChanges: 256,
  followedChangeBytes: 2 * MIB,
  /** Documents measured in one transaction: each is decoded, of the 1 s that Convex gives, and counted in a tree. */
  followedDocuments: 32,
  /** What is opened of these, unless the first of them has more: half of the 1 s. */
  followedBytes: 2 * MIB,
  followedRows: 4000,
  /** Documents handed to the workpool by one transaction of the follower, all in one scheduled call. */
  followedDue: 32,
  /** The follower takes what comes within this time together: derived state a second late harms nobody. */
  followerPauseMs: 1000,
  /** After the last change it goes on looking, this often, for so long: no push need wake it meanwhile. */
  followerPollMs: 2000,
  followerAwakeMs: 20_000,
  /** A push that finds it awake for longer than this does not wake it: it commits within that time. */
  followerMarginMs: 10_000,
  /** Changes younger than this are none of health's concern: who watches it is not called by each push. */
  healthBlindMs: 10_000,
  /** A change that has waited so long shows that nobody follows. */
  followerStalledMs: 5 * 60_000,
  /** Followers looked after by one step of the sweep: a scheduled call each, of the 1,000 that Convex allows. */
  sweptFollowers: 100,
  /** Documents handed to the workpool by one step of compacting all: what is due for other reasons waits behind these. */
  compactedByStep: 32,
  /** Failed documents looked at again by one step: a row patched each. */
  retriedFailures: 500,
  /** Documents on one page of an export, and what is read of them: each is decoded, of the 1 s that Convex gives. */
  exportedDocuments: 256,
  exportedBytes: 2 * MIB,
  /** Heads cleared by one step in a new epoch: a row deleted each, with its indexes. */
  clearedHeads: 500,
  /** Scopes whose counts are cleared by one step: each is a tree of which two nodes are read and written. */
  clearedScopes: 50,
  /** Lost compactions taken up by one step: a row written each. */
  sweptCompactions: 100,
  /** A client settles its transactions within minutes; a month is for one that is restored from its own backup. */
  receiptsKeptMs: 30 * 24 * 60 * 60_000,
  /** Who was away longer begins anew, as a new client: a device in a drawer for a year still keeps its writes. */
  clientsKeptMs: 400 * 24 * 60 * 60_000,
  /** Of one transaction: clients are looked at, or scheduled, one by one; receipts are small and deleted by id. */
  retiredClients: 100,
  retiredReceipts: 1000,
  retiredAuthors: 1000,
  /** Rows brought into order by one `maintain`: each document is decoded and its row read. */
  maintainedDocuments: 32,
  /** Rows that one transaction imports: each is a document to author, encode and write, of the 1 s that Convex gives. */
  importedRows: 100,
  /** Rows and bytes of one import from a mutation: they are checked in its 1 s, and written in its 16 MiB. */
  importRowsAtOnce: 10_000,
  importBytesAtOnce: 8 * MIB,
  /** From an action rows are staged in several transactions of so many bytes and chunks: each chunk is two rows. */
  importStagedBytes: 4 * MIB,
  importStagedChunks: 32,
  /** Chunks imported at a time: the rest of the deployment goes on beside. */
  importParallelism: 4,
  /** Failures of an import that are kept and shown, of which all are counted: a job is one row. */
  importFailures: 100,
  /** Results collected in one transaction: at 100 rows each 6,400 documents, and 64 times 100 failures at the most. */
  importResults: 32,
  /** How often the collector looks while rows arrive; while none do, ever more seldom up to this. */
  importPollMs: 1000,
  importPollMostMs: 60_000,
  /** A job that has not moved for so long has lost its place in the pool, in a restored backup say: it gets it again. */
  importStalledMs: 10 * 60_000,
  /** Scopes announced, or shown, at once. */
  importScopes: 100,
  /** Chunks of a cancelled job deleted in one transaction: each may be 768 KiB. */
  importChunksDropped: 10,
  /** A job can be looked at for a week after its end; an open one that nobody adds to for so long is cancelled. */
  importsKeptMs: 7 * 24 * 60 * 60_000,
  /** Jobs looked after by one step of the hourly sweep: a scheduled call each. */
  sweptImports: 100,
  /** Failures that health counts, per collection: more than a person looks through. */
  failuresShown: 100,
  /** History kept longer is better taken out: ten years. */
  historyKeepDays: 3650,
  /** A version's label: a line in a list. */
  labelLength: 256,
  /** Named versions of a document. They are kept until it is purged, and all are listed. */
  namedVersions: 100,
  /** What restores replaced, of one document: the oldest makes room for the next. */
  restoreVersions: 20,
  /** A version with all its parts, saved and read in one transaction: half of what Convex reads and writes. */
  versionBytes: 8 * MIB,
  /** Deltas joined to a snapshot as they are, which takes Yjs a few milliseconds for so many; more are merged first. */
  joinedBlobs: 100,
  joinedBytes: 4 * MIB,
  /**
   * Bytes of a document's texts as they were, and as they are, that are restored in the transaction that restores it: half
   * of the 1 s there is. Larger ones follow in the background.
   */
  restoredAtOnceBytes: 512 * KIB,
  /** Texts of one document on their way back. */
  restoresOfOne: 100,
  /** A job of one is begun so many times, seconds apart, before it has failed. */
  restoreAttempts: 5,
  /** One that has neither ended nor failed after so long was lost; the hourly sweep begins some anew. */
  restoreLostMs: 60 * 60_000,
  sweptRestores: 100,
  /** A page of the list of versions, without their bytes. */
  versionsListed: 50,
  /** After so much a base is put into the chain of archives: rebuilding any state costs a fraction of the 1 s. */
  archiveBaseDeltas: 2000,
  archiveBaseBytes: 1 * MIB,
  /** What will be too old within this time is not continued, so that folding and compaction do not meet. */
  archiveMarginMs: 24 * 60 * 60_000,
  /** What is applied to rebuild a state: all that can be, by the two before, with the largest compactions at the end. */
  rebuiltRows: 8000,
  rebuiltBytes: 12 * MIB,
  /** Archives that one transaction deletes, with their bytes: each is two rows at least. */
  foldedArchives: 500,
  foldedBytes: 4 * MIB,
  /** Documents looked at by one step of the daily work on history: a scheduled call each. */
  sweptArchives: 100,
  automaticVersions: 100,
  /** Those that change while automatic versions are being saved have theirs too, up to so long after the beginning. */
  automaticLatestMs: 10 * 60_000,
  /** Versions that one transaction deletes, unless they have more bytes than `foldedBytes`: then as many as have. */
  sweptVersions: 100,
  /** A device's clock may be ahead by this: a time in the future is now. */
  clockAheadMs: 60_000,
  /** Ids are index keys: Convex's keys are cheap while they are short. */
  idLength: 256,
  /** A field's name, up to Convex's 1,024 characters, and a life of its document. */
  partLength: 1040,
} as const;
