import { reportUncaught } from "../base/events.js";
import type { LeaderElection, TabChannel } from "../ports/tabs.js";

/** The holder of a Web Lock is the leader: the browser passes it on when a tab dies, whichever way. */
export class WebLockElection implements LeaderElection {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  campaign(onElected: () => void): () => void {
    const ended = new AbortController();
    const hold = () =>
      new Promise<void>((release) => {
        if (ended.signal.aborted) return release();
        ended.signal.addEventListener("abort", () => release());
        onElected();
      });
    navigator.locks.request(this.#name, { signal: ended.signal }, hold).catch((error: unknown) => {
      if (!ended.signal.aborted) reportUncaught(error);
    });
    return () => ended.abort();
  }
}

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
