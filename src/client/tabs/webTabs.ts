import { reportUncaught } from "../base/events.js";
import type { CampaignOptions, LeaderElection, TabChannel, TabLifecycle } from "../ports/tabs.js";

/**
 * The holder of a Web Lock is the leader: the browser passes it on when a tab dies, whichever way. A frozen tab keeps
 * it; another one steals it then.
 */
export class WebLockElection implements LeaderElection {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  campaign(onElected: () => void, { onLost, byForce = false }: CampaignOptions = {}): () => void {
    const ended = new AbortController();
    let isElected = false;
    const hold = () =>
      new Promise<void>((release) => {
        if (ended.signal.aborted) return release();
        ended.signal.addEventListener("abort", () => release());
        isElected = true;
        onElected();
      });
    // A request that steals cannot be aborted, and need not be: it is granted at once.
    const options = byForce ? { steal: true } : { signal: ended.signal };
    navigator.locks.request(this.#name, options, hold).catch((error: unknown) => {
      if (ended.signal.aborted) return;
      if (isElected && error instanceof DOMException && error.name === "AbortError") onLost?.();
      else reportUncaught(error);
    });
    return () => ended.abort();
  }
}

/** The page's own events. Chrome tells of freezing; a page that is put away for the back button is told of by all. */
export const pageLifecycle: TabLifecycle = {
  watch(onFreeze, onResume) {
    const ended = new AbortController();
    const { signal } = ended;
    document.addEventListener("freeze", onFreeze, { signal });
    document.addEventListener("resume", onResume, { signal });
    window.addEventListener("pagehide", (event) => event.persisted && onFreeze(), { signal });
    window.addEventListener("pageshow", (event) => event.persisted && onResume(), { signal });
    return () => ended.abort();
  },
};

export class BroadcastTabChannel<Message> implements TabChannel<Message> {
  readonly #channel: BroadcastChannel;

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
  }

  post(message: Message): void {
    this.#channel.postMessage(message);
  }

  onMessage(listener: (message: Message) => void): void {
    this.#channel.onmessage = (event: MessageEvent<Message>) => listener(event.data);
  }

  close(): void {
    this.#channel.close();
  }
}
