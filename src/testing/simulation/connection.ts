// What a device's connection does is what Convex's own client does over its socket: queries are asked again on a new
// socket, mutations run in order, wait while there is none, and one whose answer was lost is sent again and not run twice.
import type { FunctionReference } from "convex/server";
import type { ConvexClientShape } from "../../client/ports/transport.js";
import { SimulatedConnection } from "../simulatedConnection.js";
import type { SeededRandom } from "../random.js";
import { OverloadError } from "./backend.js";
import type { Life } from "./life.js";
import { copyOf, type Outcome, type Server, type Session, type WatchRequest } from "./server.js";
import type { Timeline } from "./timeline.js";

/** The way from a device to the server, and what is wrong with it. */
export interface Link {
  isOnline: boolean;
  /** A message takes up to so long, each way. */
  latencyMs: number;
  /** As whom the server takes the device; null: its token has expired. */
  user: string | null;
  /** How many of the next pushes get lost on their way, lose their answer, or arrive a second time. */
  lostRequests: number;
  lostAnswers: number;
  duplicates: number;
  /** How many of the next pushes fail in the server, for no reason of their own. */
  failures: number;
}

interface Watch extends WatchRequest {
  readonly onResult: (result: unknown) => void;
  readonly onError: ((error: Error) => void) | undefined;
}

interface Request {
  readonly mutation: FunctionReference<"mutation">;
  readonly args: object;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** What the server keeps of it: asked again it does not run again. */
  outcome: Promise<Outcome> | null;
}

/** One socket. What is sent over it arrives in order, or never. */
interface Socket {
  readonly session: Session;
  isOpen: boolean;
  /** Nothing comes through any more, which nobody has noticed. */
  isDead: boolean;
  /** What has not arrived by then never does. */
  lostFrom: number;
  lastUp: number;
  lastDown: number;
  /** Mutations of one socket run one after the other. */
  lastRun: Promise<void>;
}

export class Connection extends SimulatedConnection {
  readonly #timeline: Timeline;
  readonly #random: SeededRandom;
  readonly #server: Server;
  readonly #link: Link;
  readonly #life: Life;
  readonly #onSend: (args: object) => void;
  readonly #watches = new Map<number, Watch>();
  readonly #requests = new Map<number, Request>();
  #socket: Socket | null = null;
  #isConnecting = false;
  #isClosed = false;
  #last = 0;

  /** @param onSend is called with the arguments of each mutation, in the very instant in which it is handed over */
  constructor(
    timeline: Timeline,
    random: SeededRandom,
    server: Server,
    link: Link,
    life: Life,
    onSend: (args: object) => void,
  ) {
    super();
    this.#onSend = onSend;
    this.#timeline = timeline;
    this.#random = random;
    this.#server = server;
    this.#link = link;
    this.#life = life;
    this.connectSoon();
  }

  protected get isConnected(): boolean {
    return this.#socket !== null;
  }

  readonly onUpdate: ConvexClientShape["onUpdate"] = (query, args, onResult, onError) => {
    const id = ++this.#last;
    if (this.#life.passes()) {
      this.#watches.set(id, { query, args: structuredClone(args) as object, onResult, onError });
      if (this.#socket !== null) this.#ask(this.#socket, id);
    }
    return () => {
      this.#watches.delete(id);
      const socket = this.#socket;
      if (socket !== null) this.#up(socket, () => void socket.session.watches.delete(id));
    };
  };

  readonly query: ConvexClientShape["query"] = (query, args) =>
    new Promise((resolve, reject) => {
      const stop: () => void = this.onUpdate(
        query,
        args,
        (result) => (stop(), resolve(result)),
        (error) => (stop(), reject(error)),
      );
    });

  readonly mutation: ConvexClientShape["mutation"] = (mutation, args) =>
    new Promise((resolve, reject) => {
      if (!this.#life.passes()) return;
      const id = ++this.#last;
      const sent = structuredClone(args) as object;
      this.#onSend(sent);
      this.#requests.set(id, {
        mutation,
        args: sent,
        resolve: resolve as (value: unknown) => void,
        reject,
        outcome: null,
      });
      if (this.#socket !== null) this.#send(this.#socket, id);
    });

  /** The server is asked anew who this is: it looks again at what may be read. */
  reauthenticate(): void {
    if (this.#socket !== null) this.#server.answerSoon(this.#socket.session);
  }

  connectSoon(): void {
    if (this.#isConnecting || this.#socket !== null || this.#isClosed || !this.#link.isOnline) return;
    this.#isConnecting = true;
    this.#timeline.after(20 + this.#random.below(this.#link.latencyMs + 500), () => {
      this.#isConnecting = false;
      if (this.#isClosed || !this.#link.isOnline || this.#socket !== null) return;
      this.#life.deliver(() => this.#open());
    });
  }

  /** The socket is gone, and the client knows. */
  disconnect(): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#drop(socket);
    this.#socket = null;
    this.#life.deliver(() => this.tell());
    this.connectSoon();
  }

  /** Nothing comes through any more; it takes a while until that is noticed. */
  die(): void {
    const socket = this.#socket;
    if (socket === null || socket.isDead) return;
    socket.isDead = true;
    this.#server.leave(socket.session);
    this.#timeline.after(15_000 + this.#random.below(45_000), () => {
      if (this.#socket === socket) this.disconnect();
    });
  }

  /** The tab is gone. What is on its way to the server may still arrive. */
  close(): void {
    this.#isClosed = true;
    if (this.#socket !== null) this.#drop(this.#socket);
    this.#socket = null;
  }

  #open(): void {
    if (this.#socket !== null || this.#isClosed) return;
    const link = this.#link;
    const socket: Socket = {
      isOpen: true,
      isDead: false,
      lostFrom: Infinity,
      lastUp: 0,
      lastDown: 0,
      lastRun: Promise.resolve(),
      session: {
        watches: new Map(),
        user: () => link.user,
        send: (results) => this.#down(socket, () => this.#takeResults(results)),
      },
    };
    this.#socket = socket;
    this.#server.join(socket.session);
    this.tell();
    for (const id of this.#watches.keys()) this.#ask(socket, id);
    for (const id of this.#requests.keys()) this.#send(socket, id);
  }

  #drop(socket: Socket): void {
    socket.isOpen = false;
    socket.lostFrom = this.#timeline.now() + this.#random.below(this.#link.latencyMs + 1);
    this.#server.leave(socket.session);
  }

  #ask(socket: Socket, id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    const { query, args } = watch;
    this.#up(socket, () => {
      socket.session.watches.set(id, { query, args, answered: null });
      this.#server.answerSoon(socket.session);
    });
  }

  #send(socket: Socket, id: number): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    const link = this.#link;
    if (link.lostRequests > 0) {
      link.lostRequests -= 1;
      return this.disconnect();
    }
    this.#up(socket, () => {
      socket.lastRun = socket.lastRun.then(() => this.#run(socket, id, request));
    });
    if (link.duplicates === 0) return;
    link.duplicates -= 1;
    const { mutation, args } = request;
    const user = link.user;
    this.#timeline.after(this.#random.below(60_000), () => void this.#server.mutate(mutation, args, user));
  }

  async #run(socket: Socket, id: number, request: Request): Promise<void> {
    const link = this.#link;
    if (request.outcome === null && link.failures > 0) {
      link.failures -= 1;
      const outcome: Outcome = { ok: false, error: new Error("Your request couldn't be completed.") };
      return this.#down(socket, () => this.#takeAnswer(id, outcome));
    }
    request.outcome ??= this.#server.mutate(request.mutation, request.args, link.user);
    const outcome = await request.outcome;
    if (!outcome.ok && outcome.error instanceof OverloadError) {
      request.outcome = null;
      return this.disconnect();
    }
    if (link.lostAnswers > 0) {
      link.lostAnswers -= 1;
      // Not every client asks again by itself: then whoever called hears of it, and sends it anew.
      if (this.#random.chance(0.5)) this.#life.deliver(() => this.#takeAnswer(id, connectionLost()));
      return this.disconnect();
    }
    if (this.#random.chance(0.5)) await this.#server.answer(socket.session);
    this.#down(socket, () => this.#takeAnswer(id, copyOf(outcome)));
  }

  #takeAnswer(id: number, outcome: Outcome): void {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if (outcome.ok) request?.resolve(outcome.value);
    else request?.reject(outcome.error);
  }

  #takeResults(results: readonly { watch: number; outcome: Outcome }[]): void {
    for (const { watch, outcome } of results) {
      const asked = this.#watches.get(watch);
      if (outcome.ok) asked?.onResult(outcome.value);
      else asked?.onError?.(outcome.error);
    }
  }

  #up(socket: Socket, arrive: () => void): void {
    const now = this.#timeline.now();
    socket.lastUp = Math.max(socket.lastUp, now + this.#random.below(this.#link.latencyMs + 1));
    const at = socket.lastUp;
    this.#timeline.after(at - now, () => {
      if (!socket.isDead && at < socket.lostFrom) arrive();
    });
  }

  #down(socket: Socket, arrive: () => void): void {
    const now = this.#timeline.now();
    socket.lastDown = Math.max(socket.lastDown, now + this.#random.below(this.#link.latencyMs + 1));
    this.#timeline.after(socket.lastDown - now, () => {
      if (socket.isOpen && !socket.isDead) this.#life.deliver(arrive);
    });
  }
}

function connectionLost(): Outcome {
  return { ok: false, error: new Error("The connection was lost while this was in flight.") };
}
