// Transactions that were authored, sent and not taken: they are authored again, and what they were sent as before may
// still be on its way.
import { limits } from "../../shared/limits.js";
import type { AuthoredClocks, AuthoredGroup, OutboxEntry } from "../ports/storage.js";
import { waitingStep } from "./attempts.js";
import type { Step } from "./steps.js";

/** Takes back what the server has not taken: its transactions wait again, and remember what they were sent as. */
export function withdraw(group: AuthoredGroup, entries: readonly OutboxEntry[]): Step {
  const outbox = remember(group, entries);
  return {
    commit: { removedGroups: [group.sequence], outbox },
    publication: waitingStep(outbox).publication,
  };
}

/** These transactions, with what they were sent as. */
export function remember(group: AuthoredGroup, entries: readonly OutboxEntry[]): OutboxEntry[] {
  const clocks = group.updates.map(({ bytes: _bytes, isCovered: _isCovered, ...each }) => each);
  return entries.map(({ sequence, transaction }) => {
    const withdrawn = [...(transaction.withdrawn ?? []), clocks].slice(-limits.keptAttempts);
    return { sequence, transaction: { ...transaction, withdrawn } };
  });
}

/** Whether copies of other bytes of it are about. */
export function isAuthoredAnew({ transaction }: OutboxEntry): boolean {
  return transaction.withdrawn !== undefined;
}

/** By which clocks a late copy would be known. */
export function withdrawnClocks(source: { outbox(): OutboxEntry[] }): AuthoredClocks[] {
  return source.outbox().flatMap(({ transaction }) => (transaction.withdrawn ?? []).flat());
}
