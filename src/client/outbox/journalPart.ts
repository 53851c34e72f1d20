import type { PushJournal } from "./pushLoop.js";
import type { OutboxEntry } from "../ports/storage.js";

/** The journal as one of two loops sees it that share the outbox. @param ownOf what of all that waits is for this one */
export function journalPart(
  journal: PushJournal,
  ownOf: (waiting: readonly OutboxEntry[]) => OutboxEntry[],
): PushJournal {
  return {
    get client() {
      return journal.client;
    },
    get author() {
      return journal.author;
    },
    document: (collection, id) => journal.document(collection, id),
    groups: () => journal.groups(),
    outbox: () => journal.outbox(),
    waiting: () => ownOf(journal.waiting()),
    refresh: () => journal.refresh(),
    announce: (publication) => journal.announce(publication),
    change: (decide) => journal.change(decide),
  };
}
