// The real functions of an app in convex-test, behind connections that can be cut. What a connection does is what
// Convex's own client does over its socket: watched queries are answered anew after each write and each reconnect,
// mutations run one at a time in order, wait while there is no connection, and one whose answer was lost is asked
// for again without running twice.
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server";
import { convexToJson, type Value } from "convex/values";
import type { ConvexClientShape } from "../client/ports/transport.js";
import { SimulatedConnection } from "./simulatedConnection.js";

/** What of a convex-test instance is used. */
export interface Functions {
  query(query: FunctionReference<"query">, args: Record<string, unknown>): Promise<unknown>;
  mutation(mutation: FunctionReference<"mutation">, args: Record<string, unknown>): Promise<unknown>;
}

interface Watch {
  readonly query: FunctionReference<"query">;
  readonly args: Record<string, unknown>;
  readonly onResult: (result: unknown) => void;
  readonly onError: ((error: Error) => void) | undefined;
  /** JSON of the last answer; null: none on this connection yet. */
  answered: string | null;
  /** The number of the question that was answered last. */
  seen: number;
}

/** A deployment that simulated clients connect to. */
export class SimulatedNetwork {
  readonly #clients = new Set<SimulatedClient>();
  /** Mutations that ran, and queries, by how often. */
  readonly calls = { mutations: 0, queries: 0 };
  /** What mutations returned, whether or not that arrived. */
  readonly results: unknown[] = [];
  /** Functions that run now. */
  inFlight = 0;

  /** @param functions a convex-test instance, with an identity or without, by whoever connects */
  connect(functions: Functions): SimulatedClient {
    const client = new SimulatedClient(functions, this);
    this.#clients.add(client);
    return client;
  }

  forget(client: SimulatedClient): void {
    this.#clients.delete(client);
  }

  /** Runs a function, counted. */
  async run<T>(kind: "mutations" | "queries", call: () => Promise<T>): Promise<T> {
    this.calls[kind]++;
    this.inFlight++;
    try {
      return await call();
    } finally {
      this.inFlight--;
    }
  }

  /** Answers every watched query of every connected client whose result has changed. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.refresh()));
  }
}

export class SimulatedClient extends SimulatedConnection {
  readonly #functions: Functions;
  readonly #network: SimulatedNetwork;
  readonly #watches = new Set<Watch>();
  #isConnected = true;
  #waiting: (() => void)[] = [];
  #lastMutation: Promise<unknown> = Promise.resolve();
  #loseAnswers = 0;
  #loseRequests = 0;
  #isHeld = false;
  #duplicates = 0;
  /** What a message takes, each way; null: no time. */
  #wait: (() => Promise<void>) | null = null;
  #questions = 0;
  readonly #failures: Error[] = [];

  constructor(functions: Functions, network: SimulatedNetwork) {
    super();
    this.#functions = functions;
    this.#network = network;
  }

  protected get isConnected(): boolean {
    return this.#isConnected;
  }

  readonly onUpdate: ConvexClientShape["onUpdate"] = (query, args, onResult, onError) => {
    const watch = { query, args, onResult, onError, answered: null, seen: 0 };
    this.#watches.add(watch);
    void this.#answer(watch);
    return () => void this.#watches.delete(watch);
  };

  readonly query: ConvexClientShape["query"] = async (query, args) => {
    await this.#connected();
    await this.#wait?.();
    const result = await this.#network.run("queries", () =>
      this.#functions.query(query, structuredClone(args)),
    );
    await this.#wait?.();
    await this.#connected();
    return result as FunctionReturnType<typeof query>;
  };

  readonly mutation: ConvexClientShape["mutation"] = (mutation, args) => {
    const run = this.#lastMutation.then(() => this.#mutate(mutation, args));
    this.#lastMutation = run.catch(() => {}); // the caller hears of it; the next mutation is another one
    return run;
  };

  /** Cuts the connection. */
  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    for (const watch of this.#watches) watch.answered = null;
    this.tell();
  }

  reconnect(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.tell();
    for (const resume of this.#waiting.splice(0)) resume();
    void this.refresh();
  }

  /** Its process ends: nothing comes back any more, but what is under way takes effect. */
  die(): void {
    this.#isConnected = false;
    this.#watches.clear();
    this.forgetListeners();
    this.#network.forget(this);
  }

  /** Watched queries are answered late, until {@link SimulatedClient.release}: answers to mutations overtake them. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    void this.refresh();
  }

  /** The next mutation takes effect, but the connection is cut before its answer arrives. */
  loseNextAnswer(): void {
    this.#loseAnswers++;
  }

  /** The next mutation fails before it takes effect, as by an error of the server's. */
  failNextMutation(error: Error): void {
    this.#failures.push(error);
  }

  /** The next mutation arrives a second time, when it has been answered. */
  duplicateNextMutation(): void {
    this.#duplicates++;
  }

  /** @param wait what each message waits for on its way; null: nothing */
  delay(wait: (() => Promise<void>) | null): void {
    this.#wait = wait;
  }

  /** The connection is cut before the next mutation arrives. */
  loseNextRequest(): void {
    this.#loseRequests++;
  }

  /** All answers come at once, as of one moment. */
  async refresh(): Promise<void> {
    const deliveries = await Promise.all([...this.#watches].map((watch) => this.#ask(watch)));
    this.#arrive(() => {
      for (const deliver of deliveries) deliver();
    });
  }

  async #mutate<M extends FunctionReference<"mutation">>(
    mutation: M,
    args: FunctionArgs<M>,
  ): Promise<FunctionReturnType<M>> {
    if (this.#loseRequests > 0) {
      this.#loseRequests--;
      this.disconnect();
    }
    if (!this.#isConnected) {
      await this.#connected();
      await this.refresh(); // queries go before mutations on a new socket
    }
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
    await this.#wait?.();
    // Arguments and results cross a wire: nobody may keep an object of the other side.
    const result = await this.#network.run("mutations", () =>
      this.#functions.mutation(mutation, structuredClone(args)),
    );
    if (this.#loseAnswers > 0) {
      this.#loseAnswers--;
      this.disconnect();
    }
    this.#network.results.push(result);
    if (this.#duplicates > 0) {
      this.#duplicates--;
      await this.#network.run("mutations", () => this.#functions.mutation(mutation, structuredClone(args)));
    }
    await this.#network.refresh();
    await this.#wait?.();
    await this.#connected();
    return result as FunctionReturnType<M>;
  }

  #connected(): Promise<void> {
    if (this.#isConnected) return Promise.resolve();
    return new Promise<void>((resume) => this.#waiting.push(resume)).then(() => this.#connected());
  }

  async #answer(watch: Watch): Promise<void> {
    const deliver = await this.#ask(watch);
    this.#arrive(deliver);
  }

  #arrive(deliver: () => void): void {
    if (this.#wait === null) deliver();
    else void this.#wait().then(deliver);
  }

  /** @returns what tells the answer, unless a later one was told meanwhile */
  async #ask(watch: Watch): Promise<() => void> {
    if (!this.#isConnected || this.#isHeld) return () => {};
    const question = ++this.#questions;
    let deliver: () => void;
    let json: string;
    try {
      const result = await this.#network.run("queries", () =>
        this.#functions.query(watch.query, structuredClone(watch.args)),
      );
      json = JSON.stringify(convexToJson(result as Value));
      deliver = () => watch.onResult(result);
    } catch (error) {
      json = String(error);
      deliver = () => watch.onError?.(error as Error);
    }
    return () => {
      const isOver = !this.#isConnected || this.#isHeld || !this.#watches.has(watch);
      if (isOver || question < watch.seen || watch.answered === json) return;
      watch.seen = question;
      watch.answered = json;
      deliver();
    };
  }
}
