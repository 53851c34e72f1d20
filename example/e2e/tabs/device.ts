// A browser profile with tabs that share one replica, each in a process of its own, so that each can be killed alone.
import type { BrowserContext, CDPSession, Page } from "playwright-core";
import { expect } from "vitest";
import type { Site } from "../../convex/collections.js";
import { Profile } from "../chromium.js";
import type { TabPage, TabState } from "./tabPage.js";

const flags = [
  "--disable-features=SpareRendererForSitePerProcess", // so the process that comes up with a tab is the tab's
  "--disable-background-timer-throttling", // one wake-up a second for hidden tabs would only make this slow
];

type Method = keyof TabPage;
type Args<M extends Method> = Parameters<TabPage[M]>;
type Result<M extends Method> = Awaited<ReturnType<TabPage[M]>>;

/** A transaction that is frozen with its tab, which real browsers take care not to do, is ended by Chromium after 60 s. */
const timeout = 75_000;
export const waitFor = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout, interval: 20 });

export interface OpenOptions {
  /** Before any script of the page runs. */
  prepare?(page: Page): Promise<unknown>;
  /** Other than the profile's own: a private one. */
  readonly context?: BrowserContext;
}

export class Device {
  readonly profile = new Profile({ hidesTabs: true, flags });
  /** Of each writer, the tags of visits that its tab has called durable. */
  readonly durable = new Map<string, string[]>();
  tabs: Tab[] = [];

  /** Opens a tab in front of the others. */
  async open(url: string, { prepare, context = this.profile.context }: OpenOptions = {}): Promise<Tab> {
    const before = context === this.profile.context ? await this.#renderers() : null;
    const page = await context.newPage();
    await page.exposeFunction("onDurable", (id: string, tag: string) => this.#noteDurable(id, tag));
    await prepare?.(page);
    await page.goto(url);
    const tab = new Tab(page, before === null ? null : await this.#newRenderer(before));
    this.tabs.push(tab);
    return tab;
  }

  /** Opens so many tabs, one after the other, each until it shows what the server has: the first one leads. */
  async openMany(count: number, url: string): Promise<void> {
    for (let n = 0; n < count; n++) await (await this.open(url)).live();
  }

  async start(): Promise<this> {
    await this.profile.open();
    return this;
  }

  /** The whole browser dies, and is started again without a tab. */
  async restart(): Promise<void> {
    this.tabs = [];
    await this.profile.kill();
    await this.profile.open();
  }

  /** The tab that leads, once there is one. */
  async leader(): Promise<Tab> {
    for (const end = Date.now() + timeout; Date.now() < end;)
      for (const tab of this.tabs) if ((await tab.state()).leader) return tab;
    throw new Error("No tab leads.");
  }

  /** A tab's process is killed. */
  async kill(tab: Tab): Promise<void> {
    this.tabs = this.tabs.filter((each) => each !== tab);
    await tab.kill();
  }

  /** Until nothing is on its way any more. */
  async settled(): Promise<void> {
    for (const tab of this.tabs) await waitFor(async () => (await tab.state()).pending).toBe(0);
  }

  async #newRenderer(before: readonly number[]): Promise<number> {
    const [pid, ...others] = (await this.#renderers()).filter((each) => !before.includes(each));
    if (pid === undefined || others.length > 0) throw new Error("A tab does not have a process of its own.");
    return pid;
  }

  async #renderers(): Promise<number[]> {
    const session = await this.profile.browser.newBrowserCDPSession();
    const { processInfo } = (await session.send("SystemInfo.getProcessInfo")) as {
      processInfo: { type: string; id: number }[];
    };
    await session.detach();
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  }

  #noteDurable(id: string, tag: string): void {
    const tags = this.durable.get(id) ?? [];
    if (tags.length === 0) this.durable.set(id, tags);
    tags.push(tag);
  }
}

export class Tab {
  readonly page: Page;
  /** Of its process; null: of a private window, where it is not known. */
  readonly pid: number | null;

  constructor(page: Page, pid: number | null) {
    this.page = page;
    this.pid = pid;
  }

  /** Runs one of the page's functions in it. */
  call<M extends Method>(method: M, ...args: Args<M>): Promise<Result<M>> {
    return this.page.evaluate(
      ([name, list]) => (window.tab![name] as (...all: unknown[]) => unknown)(...list),
      [method, args as unknown[]] as const,
    ) as Promise<Result<M>>;
  }

  state(): Promise<TabState> {
    return this.call("state");
  }

  rows(): Promise<Site[]> {
    return this.call("rows");
  }

  row(id: string): Promise<Site | undefined> {
    return this.rows().then((rows) => rows.find((row) => row.id === id));
  }

  /** Until it shows what the server has. */
  async live(): Promise<void> {
    await waitFor(async () => (await this.state()).scope).toBe("live");
  }

  /** Tells it that the network is back, until it is connected: Convex does not wait out its back-off then. */
  async reconnect(): Promise<void> {
    await waitFor(async () => {
      await this.page.evaluate(() => void dispatchEvent(new Event("online")));
      return (await this.state()).connection;
    }).toBe("connected");
  }

  async kill(): Promise<void> {
    const crashed = this.page.waitForEvent("crash");
    this.signal("SIGKILL");
    await crashed;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.pid === null) throw new Error("Which process is a private window's is not known.");
    process.kill(this.pid, signal);
  }

  session(): Promise<CDPSession> {
    return this.page.context().newCDPSession(this.page);
  }

  /** As a page has them that asks for nothing else: what is held, and how many wait. */
  async locks(): Promise<{ held: number; waiting: number }> {
    return this.page.evaluate(async () => {
      const { held = [], pending = [] } = await navigator.locks.query();
      return { held: held.length, waiting: pending.length };
    });
  }
}
