import fc from "fast-check";
import { expect, test } from "vitest";
import { plainText } from "../shared/partDocument.js";
import { openPart } from "../shared/partDocument.js";
import { sites } from "../testing/fieldApp.js";
import { followAll } from "../testing/setUp/followAll.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp } from "../testing/serverApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { connectionEvents, isConnectionEvent, SitesWorld, type OpenTab } from "../testing/testWorld.js";
import { blobsOf } from "./documents/base.js";
import type { PartHandle } from "./documents/openParts.js";
import type { LocalReplica } from "./replica.js";

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("type" as const), words: fc.string({ minLength: 1 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("erase" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom("compact", "follow", "purge", "leave", "comeBack", "newEpoch", "pass"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom("offline", "online", "hold", "release", "kill", "close", "open", "use", "letGo"),
      tab: fc.nat({ max: 2 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A device with up to three tabs, which have a text open or not, while somebody else types. */
class History {
  readonly #app = createServerApp();
  readonly #world = new SitesWorld(this.#app, { keepsErrors: true });
  readonly #profile = new TestProfile();
  #typist = new PushDevice(this.#app, 11);
  readonly #tabs: (OpenTab | null)[] = [null, null, null];
  readonly #handles = new Map<OpenTab, PartHandle>();
  #authors = 11;

  async begin(): Promise<void> {
    await this.#typist.send(this.#typist.insert("x"));
    this.#open(0);
  }

  #open(at: number): void {
    if (this.#tabs[at] !== null) return;
    const tab = this.#world.open({ profile: this.#profile }) as OpenTab;
    tab.replica.subscribe(sites, { scopes: ["DE"], parts: "prefetch" });
    this.#tabs[at] = tab;
  }

  #use(tab: OpenTab): void {
    if (!this.#handles.has(tab))
      this.#handles.set(tab, (tab.replica as unknown as LocalReplica).usePart(sites, "x", "log"));
  }

  async run(step: Step): Promise<void> {
    if ("tab" in step) return this.#runOnTab(step.type, step.tab);
    switch (step.type) {
      case "type":
        return this.#type((text) => text.insert(Math.floor(text.length / 2), step.words));
      case "erase":
        return this.#type((text) => text.delete(0, Math.ceil(text.length / 3)));
      case "compact":
        await this.#app.t.mutation((ctx) =>
          ctx.runMutation(this.#app.component.compact.compact, {
            collection: "sites",
            document: "x",
            part: "log",
          }),
        );
        break;
      case "follow":
        await followAll(this.#app);
        break;
      case "purge":
        await this.#app.t.mutation((ctx) => this.#app.replicate.admin(ctx).purge(sites, "x"));
        this.#typist = new PushDevice(this.#app, ++this.#authors);
        await this.#typist.send(this.#typist.insert("x"));
        break;
      case "leave":
      case "comeBack":
        await this.#app.writer((writer) =>
          writer.update("x", (draft) => void (draft.country = step.type === "leave" ? "FR" : "DE")),
        );
        break;
      case "newEpoch":
        await this.#app.t.mutation((ctx) => this.#app.replicate.admin(ctx).newEpoch(sites));
        break;
      case "pass":
        await this.#world.runTimers(3);
    }
    await this.#world.network.refresh();
  }

  async #type(edit: Parameters<PushDevice["type"]>[1]): Promise<void> {
    try {
      await this.#typist.send(this.#typist.type("x", edit));
    } catch (error) {
      if (!String(error).includes("changes nothing")) throw error;
    }
    await this.#world.network.refresh();
  }

  async #runOnTab(type: (Step & { tab: number })["type"], at: number): Promise<void> {
    const tab = this.#tabs[at] ?? null;
    if (type === "open") return this.#open(at);
    if (tab === null) return;
    if (isConnectionEvent(type)) connectionEvents[type](tab.client);
    else if (type === "use") this.#use(tab);
    else if (type === "letGo") {
      this.#handles.get(tab)?.close();
      this.#handles.delete(tab);
    } else {
      this.#tabs[at] = null;
      this.#handles.delete(tab);
      if (type === "kill") tab.kill();
      else await tab.close();
    }
  }

  /** Everything is put right: whoever uses the text has what the server has, and so has the disk. */
  async end(): Promise<void> {
    await this.run({ type: "comeBack" });
    await this.#type((text) => text.insert(0, "End. "));
    this.#open(0);
    const tabs = this.#tabs.filter((tab) => tab !== null);
    for (const tab of tabs) this.#use(tab);
    const wanted = await new PushDevice(this.#app, 9_999).pullPart("x");
    const textIn = (tab: OpenTab) => {
      const doc = this.#handles.get(tab)?.doc;
      return doc == null ? null : plainText(doc);
    };
    await this.#world.waitUntil(() => {
      for (const { client } of tabs) {
        client.release();
        client.reconnect();
      }
      return tabs.every((tab) => textIn(tab) === wanted);
    });
    const [stored, ...others] = [...this.#profile.database.data!.parts.values()];
    expect(others).toEqual([]);
    expect(plainText(openPart(blobsOf(stored!.base)))).toBe(wanted);
    for (const tab of tabs) await tab.close();
  }
}

test("I-8, I-12: whatever befalls tabs, connection and server, an open text is at rest what the server has, and so is the disk", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const history = new History();
      await history.begin();
      for (const each of steps) await history.run(each);
      await history.end();
    }),
    { seed: 1, numRuns: Number(process.env["NUM_RUNS"] ?? 40) },
  );
});
