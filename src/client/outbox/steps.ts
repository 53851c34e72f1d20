import { emptyPublication, joinPublications, type Publication } from "../base/publication.js";
import type { Commit } from "../ports/storage.js";

/** What is stored of a decision about transactions, and what is told. */
export interface Step {
  readonly commit: Commit;
  readonly publication: Publication;
}

export const emptyStep: Step = { commit: {}, publication: emptyPublication };

/** @returns both as one; of their commits what concerns transactions */
export function joinSteps(a: Step, b: Step): Step {
  return {
    commit: joinCommits(a.commit, b.commit),
    publication: joinPublications(a.publication, b.publication),
  };
}

function joinCommits(a: Commit, b: Commit): Commit {
  const join = <T>(x: readonly T[] | undefined, y: readonly T[] | undefined) => [...(x ?? []), ...(y ?? [])];
  return {
    groups: join(a.groups, b.groups),
    removedGroups: join(a.removedGroups, b.removedGroups),
    outbox: join(a.outbox, b.outbox),
    removedOutbox: join(a.removedOutbox, b.removedOutbox),
  };
}
