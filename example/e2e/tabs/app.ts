// The example's backend and the tabs' pages, and what must hold of what was written in tabs, whatever became of them.
import { expect } from "vitest";
import { deploy } from "../../../local/push/deploy.js";
import { startBackend, type Backend, type BackendOptions } from "../../../local/server/backend.js";
import type { Site } from "../../convex/collections.js";
import { waitFor, type Device } from "./device.js";
import { servePages, type PageKind, type Pages } from "./pages.js";

export class App {
  readonly pages: Pages;
  readonly #options: BackendOptions;
  #backend: Backend;

  private constructor(backend: Backend, pages: Pages, options: BackendOptions) {
    this.#backend = backend;
    this.pages = pages;
    this.#options = options;
  }

  static async start(options: BackendOptions = {}, kinds?: readonly PageKind[]): Promise<App> {
    const [backend, pages] = await Promise.all([startBackend(options), servePages(kinds)]);
    await deploy(backend.url);
    const app = new App(backend, pages, options);
    await app.insert("all");
    return app;
  }

  get backend(): Backend {
    return this.#backend;
  }

  get url(): string {
    return this.pages.urlOf("now", this.#backend.url);
  }

  /** Nobody answers at its address any more. */
  async stopBackend(): Promise<void> {
    await this.#backend.close();
  }

  /** At the same address, with the same data. */
  async startBackend(): Promise<void> {
    const port = Number(new URL(this.#backend.url).port);
    this.#backend = await startBackend({ ...this.#options, port });
  }

  async close(): Promise<void> {
    this.pages.close();
    await this.#backend.close();
  }

  /** By somebody else. */
  async insert(id: string): Promise<void> {
    const row = { id, name: id, country: "DE", status: "open", population: 0, visits: 0, tags: [] };
    await this.#backend.run("mutation", "seed:insert", { rows: [row] });
  }

  async rows(): Promise<Site[]> {
    return (await this.#backend.run("query", "inspect:rows", { country: "DE" })) as Site[];
  }

  async row(id: string): Promise<Site | undefined> {
    return (await this.rows()).find((row) => row.id === id);
  }

  /** Who has pushed since then, each time that it was another than before. */
  pushersSince(calls: number): (string | undefined)[] {
    const pushers = this.#backend.calls
      .slice(calls)
      .flatMap(({ path, sessionId }) => (path === "replicate:push" ? [sessionId] : []));
    return pushers.filter((session, index) => index === 0 || session !== pushers[index - 1]);
  }

  /** How many sockets are open, and how many subscriptions there are over all of them. */
  get sockets(): { open: number; subscriptions: number } {
    const connections = this.#backend.connections();
    return { open: connections.length, subscriptions: connections.flatMap(({ watched }) => watched).length };
  }

  /**
   * Nothing that was durable is lost, nothing was done twice, and every tab shows what the server has.
   *
   * @param told - the codes of errors that tabs may have told of
   */
  async expectIntact(device: Device, told: readonly string[] = []): Promise<void> {
    await device.settled();
    const rows = await this.rows();
    for (const tab of device.tabs) {
      await waitFor(() => tab.rows()).toEqual(rows);
      const { failed, errors } = await tab.state();
      const atRisk = errors.filter(({ code, dataAtRisk }) => dataAtRisk && !told.includes(code));
      expect({ failed, atRisk }).toEqual({ failed: [], atRisk: [] });
    }
    for (const [id, tags] of device.durable)
      expect(rows.find((row) => row.id === id)?.tags).toEqual(expect.arrayContaining(tags));
    const writers = rows.filter(({ id }) => id !== "all");
    expect(writers.map(({ visits }) => visits)).toEqual(writers.map(({ tags }) => tags.length));
    const shared = writers.flatMap(({ tags }) => tags.filter((tag) => tag.endsWith(" with all")));
    expect(rows.find(({ id }) => id === "all")?.visits).toBe(shared.length);
  }
}
