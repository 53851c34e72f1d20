// The rules of the protocol that the model and its readers keep, each a switch: with one of them off the oracle must
// notice. What the component itself must not do is broken in `breaks.ts`, between it and the oracle.

export const rules = {
  /** A transaction that was answered is answered from its receipt, and takes no effect again. */
  receipts: true,
  /** A gap is no outcome: it leaves no receipt. */
  gapLeavesNoReceipt: true,
  /** An update is applied only where it continues its author's clocks. */
  clocksContinue: true,
  /** An author's id belongs to the client that used it first. */
  authorsAreOwned: true,
  /** A text belongs to one life of its document. */
  partsHaveLives: true,
  /** A push of another epoch is refused whole. */
  epochOfPush: true,
  /** A transaction is applied whole or not at all. */
  wholeTransactions: true,
  /** A document that has left a scope is announced there. */
  leaves: true,
  /** A cursor is (ts, document): a page may end inside a commit. */
  cursorInsideCommit: true,
  /** The horizon of a first load is sent back until the cursor is past it. */
  horizonIsSent: true,
  /** A leave drops a document only if nothing newer of it is known, from whatever scope. */
  leaveOfNewest: true,
  /** A leave drops a document. */
  leaveDrops: true,
  /** A reset begins the scope anew, with nothing of it held. */
  resetForgets: true,
  /** What a snapshot holds takes the place of what is held, unless something newer is. */
  snapshotReplaces: true,
  /** Who may not read a scope any more drops what was held of it. */
  deniedForgets: true,
};
export type Rules = Readonly<typeof rules>;
