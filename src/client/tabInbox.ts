import type { Publication } from "./base/publication.js";
import type { LeaderStatus, PartTold, TabMessage, Versions } from "./base/tabMessages.js";
import type { Leadership } from "./leadership.js";
import type { Meta } from "./ports/storage.js";
import type { View } from "./view/view.js";

export interface TabInboxOptions {
  view(): View;
  leadership(): Leadership;
  show(publication: Publication): void;
  takeStatus(status: LeaderStatus): void;
  takePart(told: PartTold): void;
  /** The leader gives a sign of life. */
  hearLeader(): void;
  /** Another tab has become the leader: what the last one did may not have reached this one. */
  reload(): void;
  /** The leader asks what this tab wants. */
  answerWants(): void;
  /** As the leader: somebody asks for a sign of life. */
  beat(): void;
  /** Whether another tab's app has the documents as this one has them. */
  isOwn(versions: Versions): boolean;
  onVersions(versions: Versions): void;
  onCleared(): void;
}

/**
 * What other tabs tell. Messages that come before the database is read wait until it is: of what was told before that
 * reading, however late it comes through, only what the reading did not cover is taken.
 */
export class TabInbox {
  readonly #options: TabInboxOptions;
  /** The last commit that was read from the database: messages about it or earlier ones tell nothing new. */
  #seenCommit = -1;
  /** Up to this place of the outbox all that is still waiting was read: earlier messages tell nothing new. */
  #lastSettled = 0;
  /** Whose database was read: what earlier leaders tell is in it, or was never stored. */
  #term = 0;
  /** What waits; null: the database is read. */
  #early: TabMessage[] | null = [];
  #isClosed = false;

  constructor(options: TabInboxOptions) {
    this.#options = options;
  }

  /** The database is being read: what comes now may be older or newer. */
  hold(): void {
    this.#early ??= [];
  }

  /** The database was read and is shown. */
  release({ commit, term, lastSettled = 0 }: Meta): void {
    this.#seenCommit = commit;
    this.#term = term;
    this.#lastSettled = lastSettled;
    const early = this.#early ?? [];
    this.#early = null;
    for (const message of early) this.receive(message);
  }

  /** Whether a leader of this term has a successor, as far as this tab knows: nothing that it tells is to be shown. */
  isOver(term: number): boolean {
    return term < this.#term;
  }

  close(): void {
    this.#isClosed = true;
  }

  receive(message: TabMessage): void {
    if (this.#isClosed) return;
    if (this.#early !== null) return void this.#early.push(message);
    const { view, leadership, show, isOwn, takeStatus, hearLeader, reload, answerWants, beat } =
      this.#options;
    switch (message.type) {
      case "publication":
        // An older app's leader ends, and its successor has the database read anew; a newer one has this tab end.
        if (!isOwn(message.versions) || this.isOver(message.term)) return;
        if (message.commit === null || message.commit > this.#seenCommit) show(message.publication);
        return;
      case "status":
        return this.isOver(message.term) ? undefined : takeStatus(message.status);
      case "part":
        return this.isOver(message.term) ? undefined : this.#options.takePart(message.told);
      case "leader":
        hearLeader();
        return reload();
      case "beat":
        hearLeader();
        return answerWants();
      case "leaderCalled":
        return leadership().isLeader ? beat() : undefined;
      case "ended":
        return leadership().noteEnded(message.tab);
      case "visible":
        return leadership().noteVisible(message.tab, message.documents);
      case "screen":
        return leadership().noteScreen(message.tab, message.documents);
      case "appended":
        // What another app has made the leader finds in the database, and has it translated.
        if (isOwn(message.versions))
          view().receive(message.entries.filter(({ sequence }) => sequence > this.#lastSettled));
        return leadership().onAppended();
      case "failedRemoved": {
        const removed = message.ids.flatMap((id) => view().find(id) ?? []);
        for (const transaction of removed) transaction.enter({ type: "discarded" });
        view().remove(removed);
        return leadership().onFailedRemoved(message.sequences);
      }
      case "cleared":
        return this.#options.onCleared();
      case "versions":
        return this.#options.onVersions(message.versions);
      case "wants":
        return leadership().noteWants(message.tab, message.wants, message.open, message.forget);
    }
  }
}
