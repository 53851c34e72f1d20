import type { PushJournal } from "./pushLoop.js";
import type { OutboxEntry } from "../ports/storage.js";

/** The journal as one of two loops sees it that share the outbox: without what waits for the other. */
export function journalPart(journal: PushJournal, isMine: (entry: OutboxEntry) => boolean): PushJournal {
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
    waiting: () => journal.waiting().filter(isMine),
    refresh: () => journal.refresh(),
    announce: (publication) => journal.announce(publication),
    change: (decide) => journal.change(decide),
  };
}
