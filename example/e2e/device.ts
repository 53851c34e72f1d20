// Fieldbook as a user has it in front of them, on a device with a profile of its own.
import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import type { Site } from "../convex/collections.js";
import { Profile } from "./chromium.js";

const timeout = 15_000;

export class Device {
  readonly profile: Profile;
  readonly url: string;
  #page: Page | null = null;

  constructor(url: string, profile = new Profile()) {
    this.url = url;
    this.profile = profile;
  }

  get page(): Page {
    if (this.#page === null) throw new Error("The device shows no page.");
    return this.#page;
  }

  /** Starts the browser if need be, and opens a window on a country. */
  async open(country = "DE"): Promise<this> {
    await this.profile.open();
    return this.openWindow(country);
  }

  async openWindow(country = "DE"): Promise<this> {
    this.#page = await this.profile.newPage();
    await this.page.goto(this.url);
    await this.page.getByTestId("country-select").selectOption(country);
    await this.page.getByTestId("site-row").first().waitFor({ timeout });
    return this;
  }

  /** Loads the page again, and waits until the app shows something. */
  async reload(): Promise<void> {
    await this.page.reload({ waitUntil: "load" });
    await this.page.getByTestId("site-row").first().waitFor({ timeout });
  }

  async setOffline(isOffline: boolean): Promise<void> {
    const control = this.page.getByTestId("offline-switch");
    const isOn =
      (await control.getAttribute("aria-checked")) === "true" ||
      (await control.isChecked().catch(() => false));
    if (isOn !== isOffline) await control.click();
  }

  /** The row of a site, brought into view by searching for its name: the list shows only what fits the screen. */
  async show(id: string): Promise<Locator> {
    await this.search((await this.site(id))?.name ?? id);
    const row = this.page.locator(`[data-testid="site-row"][data-id="${id}"]`);
    await row.waitFor({ timeout });
    return row;
  }

  /** Waits until the app's shell is on the device. */
  installed(): Promise<unknown> {
    return this.page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  }

  async search(text: string): Promise<void> {
    await this.page.getByTestId("search").fill(text);
  }

  /** Adds a site as a user does. @returns its id */
  async add(name: string): Promise<string> {
    await this.search("");
    await this.page.getByTestId("add-site").click();
    await this.page.keyboard.type(name);
    await this.page.keyboard.press("Enter");
    await this.search(name);
    const row = this.page.getByTestId("site-row").filter({ hasText: name }).first();
    await row.waitFor({ timeout });
    await this.search("");
    return (await this.rows()).find((site) => site.name === name)!.id;
  }

  /** Changes sites through the app's own replica, as fast as it goes. */
  edit(edits: readonly { id: string; set?: Partial<Site>; visits?: number; tag?: string }[]): Promise<void> {
    return this.page.evaluate((list) => {
      const { sites } = window.fieldbook!;
      for (const { id, set, visits, tag } of list)
        sites.update(id, (draft) => {
          Object.assign(draft, set);
          if (visits !== undefined) draft.visits.increment(visits);
          if (tag !== undefined) draft.tags.add(tag);
        });
    }, edits);
  }

  /** The rows the app holds of the country, by id. */
  async rows(country = "DE"): Promise<Site[]> {
    return this.page.evaluate(
      (scope) =>
        [...window.fieldbook!.sites.rows()]
          .filter((site) => site.country === scope)
          .sort((a, b) => (a.id < b.id ? -1 : 1)),
      country,
    );
  }

  site(id: string): Promise<Site | undefined> {
    return this.page.evaluate((wanted) => window.fieldbook!.sites.get(wanted), id);
  }

  async pending(): Promise<number> {
    return Number(await this.page.getByTestId("pending-count").textContent());
  }

  /** Waits until nothing is on its way to the server any more. */
  async settled(): Promise<void> {
    await expect.poll(() => this.pending(), { timeout }).toBe(0);
  }

  /** Waits until everything written so far would survive the browser being killed. */
  durable(): Promise<void> {
    return this.page.evaluate(async () => {
      await Promise.all(
        window.fieldbook!.replica.transactions.list().map((transaction) => transaction.durable),
      );
    });
  }
}
