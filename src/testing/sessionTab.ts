import type { Value } from "convex/values";
import type { SessionApi } from "../shared/replicaApi.js";
import type { JoinResult, ScopeCursor } from "../shared/sessionWire.js";
import type { ServerApp } from "./serverApp.js";

type Caller = Pick<ServerApp["t"], "mutation" | "query">;

/** A tab by hand: joins, beats and shows itself when it is told to. */
export class SessionTab {
  readonly #api: SessionApi;
  readonly #caller: Caller;
  readonly client: string;
  readonly tab: string;
  #joined: JoinResult | null = null;

  /** @param caller - as whom it calls: `app.t` anonymously */
  constructor(app: Pick<ServerApp, "api">, caller: Caller, tab: string, client = `client of ${tab}`) {
    this.#api = app.api as ServerApp["api"] & SessionApi;
    this.#caller = caller;
    this.client = client;
    this.tab = tab;
  }

  get session(): string {
    return (this.#joined as JoinResult).session;
  }

  get peer(): string {
    return (this.#joined as JoinResult).peer;
  }

  async join(cursors?: ScopeCursor[]): Promise<JoinResult> {
    const { client, tab } = this;
    this.#joined = await this.#caller.mutation(this.#api.join, { client, tab, ...(cursors && { cursors }) });
    return this.#joined;
  }

  beat(cursors?: ScopeCursor[], session = this.session) {
    return this.#caller.mutation(this.#api.heartbeat, { session, ...(cursors && { cursors }) });
  }

  leave(session = this.session) {
    return this.#caller.mutation(this.#api.leave, { session });
  }

  show(document: string, state: Value, { scope = "DE", collection = "sites", session = this.session } = {}) {
    return this.#caller.mutation(this.#api.setPresence, { session, collection, scope, document, state });
  }

  watch(document: string, { scope = "DE", collection = "sites" } = {}) {
    return this.#caller.query(this.#api.presence, { collection, scope, document });
  }

  /** The states that others and this tab itself are shown with. @throws if it may not see them */
  async states(document: string, place: { scope?: string; collection?: string } = {}): Promise<Value[]> {
    const result = await this.watch(document, place);
    if (result.type !== "presence") throw new Error(`Expected presence, got ${result.type}.`);
    return result.entries.map(({ state }) => state as Value);
  }
}
