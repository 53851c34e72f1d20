/** Chooses one tab of a profile. */
export interface LeaderElection {
  /**
   * Waits for its turn, then calls `onElected`, at most once, later than this call. The tab stays elected until the returned
   * function is called or the tab dies, whichever way.
   */
  campaign(onElected: () => void): () => void;
}

/** Carries messages to the other tabs of a profile, in order per sender; never back to the sender. */
export interface TabChannel<Message> {
  post(message: Message): void;
  /** One listener; messages before it is set are lost. */
  onMessage(listener: (message: Message) => void): void;
  close(): void;
}
