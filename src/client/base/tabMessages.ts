import type { OutboxEntry, PartPlace, StoredFailure } from "../ports/storage.js";
import type { Publication } from "./publication.js";
import type { ScopeState } from "./types.js";

/** A scope that some tab wants on the device. */
export interface Want {
  readonly collection: string;
  readonly scope: string;
  /** Its parts are to be on the device before anybody opens them. */
  readonly parts?: "prefetch";
}

/** A part that some tab has open. `isMissing`: it is not on the device, or was not when the tab looked. */
export interface OpenPart extends PartPlace {
  readonly isMissing?: true;
}

/** What a leader tells of a part that is open. */
export type PartTold =
  /** What was read, in stream order. `isWhole`: it is the whole part, and takes the place of what is held. */
  | {
      readonly type: "read";
      readonly place: PartPlace;
      readonly blobs: readonly Uint8Array[];
      readonly isWhole: boolean;
    }
  /** `denied`: the user may not read its document. `gone`: there is none. */
  | { readonly type: "ended"; readonly place: PartPlace; readonly reason: "denied" | "gone" };

export interface ScopeReport extends Omit<Want, "parts"> {
  readonly state: ScopeState;
  readonly progress: number;
  readonly isComplete: boolean;
}

export interface DocumentName {
  readonly collection: string;
  readonly id: string;
}

/** What only the leader knows and every tab shows. */
export interface LeaderStatus {
  readonly scopes: readonly ScopeReport[];
  readonly lastSyncAt: number | null;
  readonly blocked: StoredFailure | null;
  /** Collections whose data may be of a newer schema than this app knows. */
  readonly tooNew: readonly string[];
}

/** Before there is a leader. */
export const noStatus: LeaderStatus = { scopes: [], lastSyncAt: null, blocked: null, tooNew: [] };

/** The schema versions of a tab's app, by collection. */
export type Versions = Readonly<Record<string, number>>;

/**
 * What the tabs of a profile tell each other. What is told of documents is as the app of the tab has them that tells it
 * (`versions`): tabs of another version cannot use it, and read the database instead. What a leader tells is of its `term`:
 * one that was frozen may tell it when its successor has long begun. A tab passes over what it has no case for: a newer one
 * may tell it.
 */
export type TabMessage =
  /** From the leader. `commit`: the commit it tells of; null: something that is not stored. */
  | {
      readonly type: "publication";
      readonly publication: Publication;
      readonly commit: number | null;
      readonly term: number;
      readonly versions: Versions;
    }
  | { readonly type: "status"; readonly status: LeaderStatus; readonly term: number }
  | { readonly type: "part"; readonly told: PartTold; readonly term: number }
  /** From a tab that has become the leader: say what you want, and read the database anew. */
  | { readonly type: "leader" }
  /** From the leader, every few seconds: it is there; who else is? Each tab answers with what it wants. */
  | { readonly type: "beat" }
  /** From a tab that has not heard of the leader for long: let it beat, if it is there. */
  | { readonly type: "leaderCalled" }
  /** From a tab: it ends. */
  | { readonly type: "ended"; readonly tab: string }
  /** From a tab: what is on its screen is needed first. */
  | { readonly type: "visible"; readonly tab: string; readonly documents: readonly DocumentName[] }
  /** From a tab: it shows other documents now, which are to be kept where they are read first. */
  | { readonly type: "screen"; readonly tab: string; readonly documents: readonly DocumentName[] }
  /** From a tab: what it has stored. */
  | { readonly type: "appended"; readonly entries: readonly OutboxEntry[]; readonly versions: Versions }
  /** From a tab, when it starts and when it hears of older ones. */
  | { readonly type: "versions"; readonly versions: Versions }
  /** From a tab: it removes the database. */
  | { readonly type: "cleared" }
  /** From a tab: failed transactions it has taken out of the database. */
  | { readonly type: "failedRemoved"; readonly ids: readonly string[]; readonly sequences: readonly number[] }
  /** From a tab: all it wants now. `forget`: what it wants no more, and not to be kept either. */
  | {
      readonly type: "wants";
      readonly tab: string;
      readonly wants: readonly Want[];
      /** Absent: none, as far as an older tab can say. */
      readonly open?: readonly OpenPart[];
      readonly forget: readonly Want[];
    };
