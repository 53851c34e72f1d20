import { asError } from "./base/errors.js";
import { persistersOf, pickOverrides } from "./base/overrides.js";
import type { Publication } from "./base/publication.js";
import {
  noStatus,
  type DocumentName,
  type LeaderStatus,
  type PartTold,
  type TabMessage,
  type Want,
  type Versions,
} from "./base/tabMessages.js";
import { Candidacy } from "./candidacy.js";
import { Leadership } from "./leadership.js";
import type { Meta, OutboxEntry, Stored } from "./ports/storage.js";
import type { ReplicaEmitters } from "./replicaEmitters.js";
import type { ReplicaParts } from "./replicaParts.js";
import type { Subscriptions } from "./subscriptions.js";
import type { OpenParts } from "./documents/openParts.js";
import { TabInbox } from "./tabInbox.js";
import type { View } from "./view/view.js";

export interface MembershipOptions {
  readonly parts: ReplicaParts;
  /** This tab's name. */
  readonly tab: string;
  readonly view: View;
  readonly subscriptions: Subscriptions;
  readonly openParts: OpenParts;
  readonly emitters: ReplicaEmitters;
  /** The database was read anew: shows what it holds, and calls {@link Membership.onRead}. */
  show(stored: Stored): void;
  /** The leader, or what it says of itself, is another. */
  onChange(): void;
  /** Another tab has removed the database. */
  onCleared(): void;
  /** Another tab runs a newer version of the app. */
  onOutdated(): void;
}

/** One tab among those of its profile: hears what they tell, tells what it does, and leads when it is elected. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #inbox: TabInbox;
  readonly #leadership: Leadership;
  readonly #candidacy: Candidacy;
  #leaderStatus: LeaderStatus = noStatus;
  #isEnded = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#inbox = this.#createInbox();
    this.#leadership = this.#createLeadership();
    this.#candidacy = new Candidacy({
      ...options.parts,
      askLeader: () => this.#post({ type: "leaderCalled" }),
      onElected: () => void this.#lead(),
      onLost: () => this.#leadership.stepDown(),
      onFreeze: () => this.#inbox.hold(), // until it is read anew, when this tab runs again
      onResume: () => void this.#reload(),
    });
    options.parts.channel.onMessage((message) => this.#inbox.receive(message));
  }

  get #versions(): Versions {
    const { collections } = this.#options.parts;
    return Object.fromEntries(collections.map(({ name, schemaVersion }) => [name, schemaVersion]));
  }

  get isLeader(): boolean {
    return this.#leadership.isLeader;
  }

  get leaderStatus(): LeaderStatus {
    return this.#leaderStatus;
  }

  /** How many tabs there are, as far as is known here. */
  get tabs(): number {
    return this.#leadership.knownTabs + 1;
  }

  /** Says what this tab wants, and stands for election. */
  start(): void {
    this.#sendVersions();
    this.#sendWants([]);
    this.#candidacy.start();
  }

  /** The database was read and is shown. */
  onRead(meta: Meta): void {
    this.#inbox.release(meta);
  }

  /** What this tab wants has changed. @param forget what is not to be kept on the device unless another tab wants it */
  setWants(forget: readonly Want[]): void {
    if (this.#isEnded) return;
    this.#sendWants(forget);
    this.#leadership.setWants(forget);
  }

  prioritise(documents: readonly DocumentName[]): void {
    const { tab } = this.#options;
    this.#post({ type: "visible", tab, documents });
    this.#leadership.noteVisible(tab, documents);
  }

  /** What this tab shows is other documents now. */
  setScreen(documents: readonly DocumentName[]): void {
    const { tab } = this.#options;
    this.#post({ type: "screen", tab, documents });
    this.#leadership.noteScreen(tab, documents);
  }

  /** This tab has stored transactions. */
  onAppended(entries: readonly OutboxEntry[]): void {
    this.#post({ type: "appended", entries, versions: this.#versions });
    this.#leadership.onAppended();
  }

  /** This tab has taken failed transactions away. */
  onFailedRemoved(ids: readonly string[], sequences: readonly number[]): void {
    this.#leadership.onFailedRemoved(sequences);
    this.#post({ type: "failedRemoved", ids, sequences });
  }

  /** This tab removes the database. */
  announceCleared(): void {
    this.#post({ type: "cleared" });
  }

  end(): void {
    this.#isEnded = true;
    this.#inbox.close();
    this.#post({ type: "ended", tab: this.#options.tab });
    this.#candidacy.end();
    this.#leadership.end();
    this.#options.parts.channel.close();
  }

  #createInbox(): TabInbox {
    return new TabInbox({
      view: () => this.#options.view,
      leadership: () => this.#leadership,
      show: (publication) => this.#show(publication),
      takeStatus: (status) => this.#takeLeaderStatus(status),
      takePart: (told) => this.#options.openParts.receive(told),
      hearLeader: () => this.#candidacy.hear(),
      reload: () => void this.#reload(),
      answerWants: () => this.#sendWants([]),
      beat: () => this.#post({ type: "beat" }),
      isOwn: (versions) =>
        Object.entries(this.#versions).every(([name, own]) => (versions[name] ?? own) === own),
      onVersions: (versions) => this.#compareVersions(versions),
      onCleared: () => this.#options.onCleared(),
    });
  }

  #createLeadership(): Leadership {
    const { parts, emitters, subscriptions, openParts } = this.#options;
    const { storage, transport, clock, randomness, collections } = parts;
    return new Leadership({
      storage,
      transport,
      clock,
      randomness,
      definitions: new Map(collections.map((each) => [each.name, each])),
      persisters: persistersOf(parts.overrides),
      retries: pickOverrides(parts.overrides, ({ retry }) => retry),
      merges: pickOverrides(parts.overrides, ({ merge }) => merge),
      ownWants: () => subscriptions.wants,
      ownParts: () => openParts.open,
      tellPart: (told, term) => this.#tellPart(told, term),
      publish: (publication, commit, term) => this.#publish(publication, commit, term),
      onFound: (entries) => this.#onFound(entries),
      onTakenOver: (stored) => this.#showAnew(stored),
      onStatus: (status, term) => {
        this.#post({ type: "status", status, term });
        if (!this.#inbox.isOver(term)) this.#takeLeaderStatus(status);
      },
      onChange: () => this.#onLeadership(),
      beat: () => this.#post({ type: "beat" }),
      onError: (error, dataAtRisk = false) => emitters.emitError(asError(error), dataAtRisk),
    });
  }

  #onLeadership(): void {
    if (this.#leadership.isLeader) {
      this.#candidacy.onLeading();
      this.#post({ type: "leader" });
    } else this.#candidacy.onFollowing();
    this.#options.onChange();
  }

  async #lead(): Promise<void> {
    this.#inbox.hold(); // a message about what is newer than what is read now has to come after it
    await this.#leadership.begin();
  }

  #publish(publication: Publication, commit: number | null, term: number): void {
    if (!this.#inbox.isOver(term)) this.#show(publication);
    this.#post({ type: "publication", publication, commit, term, versions: this.#versions });
  }

  #tellPart(told: PartTold, term: number): void {
    if (!this.#inbox.isOver(term)) this.#options.openParts.receive(told);
    this.#post({ type: "part", told, term });
  }

  #show(publication: Publication): void {
    this.#options.view.apply(publication);
    for (const bulk of publication.bulks ?? []) this.#options.emitters.emit("bulkCompleted", bulk);
  }

  /** A tab that died may have stored them without a word: then nobody knows of them but the leader. */
  #onFound(entries: readonly OutboxEntry[]): void {
    const unheardOf = entries.filter(
      ({ transaction }) => this.#options.view.find(transaction.id) === undefined,
    );
    if (unheardOf.length === 0) return;
    this.#post({ type: "appended", entries: unheardOf, versions: this.#versions });
    this.#options.view.receive(unheardOf);
  }

  #takeLeaderStatus(status: LeaderStatus): void {
    this.#leaderStatus = status;
    this.#options.subscriptions.report(status.scopes);
    this.#options.onChange();
  }

  /** Another tab has become the leader: what the last one did may not have reached this one. */
  async #reload(): Promise<void> {
    this.#sendWants([]);
    this.#inbox.hold();
    const { storage, randomness } = this.#options.parts;
    try {
      this.#showAnew(await storage.open({ client: randomness.id(), author: randomness.author() }));
    } catch (error) {
      if (!this.#isEnded) this.#options.emitters.emitError(asError(error), false);
    }
  }

  #showAnew(stored: Stored): void {
    this.#options.show(stored);
    this.#options.openParts.reload();
  }

  #sendVersions(): void {
    this.#post({ type: "versions", versions: this.#versions });
  }

  /** What tabs of two versions tell each other would be rows of two shapes: the older one ends, whichever leads. */
  #compareVersions(versions: Versions): void {
    const ahead = this.#options.parts.collections.map(
      ({ name, schemaVersion }) => schemaVersion - (versions[name] ?? schemaVersion),
    );
    if (ahead.some((each) => each < 0)) this.#options.onOutdated();
    else if (ahead.some((each) => each > 0)) this.#sendVersions();
  }

  #sendWants(forget: readonly Want[]): void {
    const { tab, subscriptions, openParts } = this.#options;
    this.#post({ type: "wants", tab, wants: subscriptions.wants, open: openParts.open, forget });
  }

  #post(message: TabMessage): void {
    this.#options.parts.channel.post(message);
  }
}
