/** Chooses one tab of a profile. */
export interface LeaderElection {
  /**
   * Waits for its turn, then calls `onElected`, at most once, later than this call. The tab stays elected until the returned
   * function is called, the tab dies, whichever way, or another tab takes its place by force: then `onLost` is called,
   * at most once, and the campaign has ended.
   */
  campaign(onElected: () => void, options?: CampaignOptions): () => void;
}

export interface CampaignOptions {
  readonly onLost?: () => void;
  /** Does not wait: takes the place of whoever is elected, who gives no sign of life. */
  readonly byForce?: boolean;
}

/** Carries messages to the other tabs of a profile, in order per sender; never back to the sender. */
export interface TabChannel<Message> {
  post(message: Message): void;
  /** One listener; messages before it is set are lost. */
  onMessage(listener: (message: Message) => void): void;
  close(): void;
}

/** Whether the browser lets this tab run. */
export interface TabLifecycle {
  /**
   * Calls `onFreeze` before the tab stops to run, for how long nobody knows, and `onResume` once it runs again. Neither
   * is certain. @returns a function that ends it
   */
  watch(onFreeze: () => void, onResume: () => void): () => void;
}
