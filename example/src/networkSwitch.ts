// The offline switch. It really cuts the connection: Convex gets its sockets from here. The position is the
// device's, not a window's: it survives a reload and holds in every window, as the windows share one database and
// one of them speaks to the server for all.

const storageKey = "fieldbook.offline";

/** How long a refused connection pretends to be tried. */
const refusalDelayMs = 20;

export class NetworkSwitch {
  /** Give this to `ConvexClient` as `webSocketConstructor`. */
  readonly WebSocket: typeof WebSocket;
  readonly #sockets = new Set<SwitchedSocket>();
  readonly #listeners = new Set<() => void>();
  #isOffline = localStorage.getItem(storageKey) === "true";

  constructor() {
    const connect = (url: string | URL) => this.#connect(url);
    // A function that returns an object may be called with `new`: what it returns is the result.
    this.WebSocket = function (url: string | URL) {
      return connect(url);
    } as unknown as typeof WebSocket;
  }

  get isOffline(): boolean {
    return this.#isOffline;
  }

  /** Follows the switch in other windows. */
  start(): void {
    window.addEventListener("storage", ({ key, newValue }) => {
      if (key === storageKey) this.#apply(newValue === "true");
    });
  }

  setOffline(isOffline: boolean): void {
    localStorage.setItem(storageKey, String(isOffline));
    this.#apply(isOffline);
  }

  /** @returns a function that ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #apply(isOffline: boolean): void {
    if (isOffline === this.#isOffline) return;
    this.#isOffline = isOffline;
    if (isOffline) for (const socket of [...this.#sockets]) socket.cut();
    else window.dispatchEvent(new Event("online")); // Convex connects at once instead of waiting out its back-off
    for (const listener of [...this.#listeners]) listener();
  }

  #connect(url: string | URL): SwitchedSocket {
    const socket = new SwitchedSocket(this.#isOffline ? null : new WebSocket(url), () =>
      this.#sockets.delete(socket),
    );
    this.#sockets.add(socket);
    return socket;
  }
}

/** As much of a WebSocket as Convex uses, over a real one (or over none, when offline). */
class SwitchedSocket {
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly #onEnd: () => void;
  #real: WebSocket | null;
  #isEnded = false;

  constructor(real: WebSocket | null, onEnd: () => void) {
    this.#real = real;
    this.#onEnd = onEnd;
    if (real === null) {
      setTimeout(() => this.cut(), refusalDelayMs);
      return;
    }
    real.onopen = (event) => this.onopen?.(event);
    real.onmessage = (event) => this.onmessage?.(event);
    real.onerror = (event) => this.onerror?.(event);
    real.onclose = (event) => this.#end(event);
  }

  get readyState(): number {
    return this.#real?.readyState ?? (this.#isEnded ? WebSocket.CLOSED : WebSocket.CONNECTING);
  }

  send(data: string): void {
    this.#real?.send(data);
  }

  close(code?: number, reason?: string): void {
    if (this.#real === null) this.cut();
    else this.#real.close(code, reason);
  }

  /** As if the network had gone: nothing arrives any more, and the close is told without a handshake. */
  cut(): void {
    if (this.#real !== null) {
      this.#real.onopen = this.#real.onmessage = this.#real.onerror = this.#real.onclose = null;
      this.#real.close();
      this.#real = null;
    }
    setTimeout(() => {
      if (!this.#isEnded) this.onerror?.(new Event("error"));
      this.#end(new CloseEvent("close", { code: 1006, wasClean: false }));
    });
  }

  #end(event: CloseEvent): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#onEnd();
    this.onclose?.(event);
  }
}
