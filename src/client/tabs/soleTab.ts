import type { LeaderElection, TabChannel, TabLifecycle } from "../ports/tabs.js";

/** Where there are no other tabs: the leader at once. */
export const soleElection: LeaderElection = {
  campaign(onElected) {
    let isEnded = false;
    queueMicrotask(() => {
      if (!isEnded) onElected();
    });
    return () => void (isEnded = true);
  },
};

export const soleChannel: TabChannel<never> = { post() {}, onMessage() {}, close() {} };

/** Where nothing stops a tab from running. */
export const alwaysRunning: TabLifecycle = { watch: () => () => {} };
